"""What travels on the wire: captured while everything happens, then judged packet by packet.

capture -> packets -> streams -> (records | needles) -> judgement -> verdict -> report. From
``packets`` on nothing runs anything: captures are files, and the standard library reads them.
"""
