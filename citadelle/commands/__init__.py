"""The operator's commands, by room; `tasks.py` lays them out. Thin: no logic lives here."""
