"""Ogg pages: taken apart, changed and put together again (RFC 3533)."""

import dataclasses
import struct

HEADER = struct.Struct("<4sBBQIIIB")


@dataclasses.dataclass
class Page:
    position: int
    packets: list
    number: int
    flags: int = 0  # 1: continued, 2: first, 4: last
    serial: int = 1

    def bytes(self):
        lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in self.packets)
        fields = [b"OggS", 0, self.flags, self.position, self.serial, self.number]
        rest = lacing + b"".join(self.packets)
        crc = checksum(HEADER.pack(*fields, 0, len(lacing)) + rest)
        return HEADER.pack(*fields, crc, len(lacing)) + rest


def checksum(data):
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = crc << 1 ^ (0x104C11DB7 if crc >> 31 else 0)
    return crc


def packets(data):
    """The packets of a file of one stream."""
    found, packet, at = [], b"", 0
    while at < len(data):
        segments = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(segments)
        for segment in segments:
            packet += data[at : at + segment]
            at += segment
            if segment < 255:
                found.append(packet)
                packet = b""
    return found


def opus_pages(packets, start=0, cut=0, serial=1, per_page=5, samples=960):
    """Pages of packets of 20 ms, from sample `start` to `cut` samples before the end."""
    header, comments, *sound = packets
    pages = [Page(0, [header], 0, 2, serial), Page(0, [comments], 1, 0, serial)]
    for at in range(0, len(sound), per_page):
        end = start + samples * min(at + per_page, len(sound))
        pages.append(Page(end, sound[at : at + per_page], len(pages), 0, serial))
    pages[-1].position -= cut
    pages[-1].flags = 4
    return pages


def joined(pages):
    return b"".join(page.bytes() for page in pages)
