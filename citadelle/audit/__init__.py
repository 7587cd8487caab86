"""The security controls: each looks at a running cluster and says what it saw.

`invoke audit` writes them as a report, `nox -s security` demands them, and tests break the
property of the most important ones on a copy to see them fail.
"""
