"""Prints the packets of stamp.txt, made by scapy's STAMP layer (scapy.contrib.stamp, from PyPI): name and octets."""

from scapy.contrib.stamp import (
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated as Reply,
    STAMPSessionSenderTestUnauthenticated as Request,
    STAMPTestTLV as Tlv,
)
from scapy.packet import RawVal

# Seconds between the epochs of NTP and of Unix; scapy's NTP field takes seconds since the first as a float.
NTP = 2_208_988_800
AT = 1_700_000_000
# The flag at the left of the figure in RFC 8972, which is the most significant bit; scapy's letters begin at the other end.
U = 0x80


def show(name, packet):
    print(name, bytes(packet).hex())


def ptp(seconds, nanos):
    # Scapy would take it for seconds.
    return RawVal((seconds << 32 | nanos).to_bytes(8, "big"))


ntp_error = ErrorEstimate(S=1, Z=0, scale=25, multiplier=128)
ptp_error = ErrorEstimate(S=1, Z=1, scale=25, multiplier=128)
common = {"seq": 0x01020304, "ssid": 0xBEEF}
tlvs = [
    Tlv(flags=U, type=5, len=12, value=bytes([0, 0, 0, 5]) + bytes(8)),
    Tlv(flags=U, type=1, len=3, value=b"abc"),
]

show("request-ntp", Request(ts=NTP + AT + 0.5, err_estimate=ntp_error, **common))
show("request-ptp", Request(ts=ptp(AT, 500_000_000), err_estimate=ptp_error, **common))
show("request-ntp-tlvs", Request(ts=NTP + AT + 0.5, err_estimate=ntp_error, tlv_objects=tlvs, **common))
show(
    "reply",
    Reply(
        seq=7,
        ts=NTP + AT + 1.75,
        err_estimate=ErrorEstimate(S=0, Z=0, scale=3, multiplier=1),
        ssid=0xBEEF,
        ts_rx=NTP + AT + 1.25,
        seq_sender=0x01020304,
        ts_sender=ptp(AT, 500_000_000),
        err_estimate_sender=ptp_error,
        ttl_sender=63,
    ),
)
