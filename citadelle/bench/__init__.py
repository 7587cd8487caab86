"""What each path costs: throughput, latency and processor time, relative to direct TLS.

Figures of one machine mean little; ratios taken in one run, by the same client, do.
"""
