"""Writes the sound files of this folder and `expected.json`: what libsndfile reads from each.

Needs soundfile (0.12.1, as the reference has it), numpy and the program `lame`.
Usage: python make.py ../../../../golden/prompts/fox_22k.wav
"""

import io
import json
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import soundfile as sf

import ogg

FOLDER = pathlib.Path(__file__).parent
SAME = ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"]
CONTAINERS = {
    "WAV": SAME + ["PCM_U8", "IMA_ADPCM", "MS_ADPCM"],
    "WAVEX": ["PCM_24", "FLOAT"],
    "W64": ["PCM_16", "FLOAT", "IMA_ADPCM", "MS_ADPCM"],
    "RF64": ["PCM_16", "DOUBLE"],
    "AIFF": SAME + ["PCM_S8", "PCM_U8", "IMA_ADPCM"],
    "AU": SAME + ["PCM_S8"],
    "CAF": SAME + ["PCM_S8"],
    "FLAC": ["PCM_S8", "PCM_16", "PCM_24"],
    "OGG": ["VORBIS"],
}
INEXACT = ("mp3", "ogg", "opus")


def speech(path, rate, start, seconds):
    sound, old = sf.read(path, dtype="float64")
    at = (start + np.arange(int(seconds * rate)) / rate) * old
    return np.interp(at, np.arange(len(sound)), sound)


def write_containers(mono):
    stereo = np.stack([mono, mono[::-1] * 0.5], axis=1)
    for container, codings in CONTAINERS.items():
        for coding in codings:
            name = f"{container}_{coding}.{container}".lower()
            # One of the channels alone where the block coding differs by their number.
            sf.write(FOLDER / name, stereo, 24_000, subtype=coding, format=container)
            if coding.endswith("ADPCM"):
                name = f"{container}_{coding}_mono.{container}".lower()
                sf.write(FOLDER / name, mono, 24_000, subtype=coding, format=container)
    for order, name in [("BIG", "rifx.wav"), ("LITTLE", "sowt.aiff"), ("LITTLE", "dns.au"), ("LITTLE", "caf_little.caf")]:
        container = name.split(".")[1].upper()
        sf.write(FOLDER / name, stereo, 24_000, subtype="PCM_16", format=container, endian=order)


def lame(sound, name, *options):
    sf.write(FOLDER / "lame.wav", sound, 24_000, subtype="PCM_16")
    command = ["lame", "--quiet", *options, FOLDER / "lame.wav", FOLDER / name]
    subprocess.run(command, check=True)
    (FOLDER / "lame.wav").unlink()
    return (FOLDER / name).read_bytes()


def write_mp3(sound):
    # A frame of 40 kbit/s would be too short for the tag.
    whole = lame(sound, "mp3_tagged.mp3", "-b", "64")
    lame(sound, "mp3_vbr.mp3", "-V5")
    lame(sound, "mp3_checksum.mp3", "-p", "-t", "-b", "40")
    lame(np.stack([sound, sound[::-1]], axis=1), "mp3_id3.mp3", "-t", "-b", "64", "--tt", "x", "--add-id3v2")
    plain = lame(sound, "mp3_no_tag.mp3", "-t", "-b", "40")
    frame = 120
    cuts = {
        "mp3_cut_on_a_frame": plain[5 * frame :],
        "mp3_cut_between_frames": plain[5 * frame + 50 :],
        "mp3_end_lost": whole[: -2 * 192],
        "mp3_end_cut": plain[:-50],
        "mp3_zeros_before": bytes(500) + whole,
        "mp3_hole": plain[: 10 * frame] + plain[10 * frame + 70 :],
        "mp3_other_after": plain + (FOLDER / "mp3_id3.mp3").read_bytes(),
    }
    for name, data in cuts.items():
        (FOLDER / f"{name}.mp3").write_bytes(data)


def opus(sound, rate, quality):
    """The packets that libsndfile writes, which it puts on pages of a random number."""
    data = io.BytesIO()
    channels = sound.size // len(sound)
    with sf.SoundFile(data, "w", rate, channels, "OPUS", format="OGG") as file:
        level = sf._ffi.new("double*", 1 - quality)
        sf._snd.sf_command(file._file, 0x1301, level, 8)  # SFC_SET_COMPRESSION_LEVEL
        file.write(sound)
    return ogg.packets(data.getvalue())


def patched(packets, at, value):
    header = packets[0][:at] + value + packets[0][at + len(value) :]
    return [header, *packets[1:]]


def write_opus(prompt):
    voice = speech(prompt, 16_000, 0.3, 0.9)
    coded = opus(voice, 16_000, 0.03)
    pages = ogg.opus_pages(coded)
    files = {
        "voice_16k": ogg.joined(pages),
        "trimmed": ogg.joined(ogg.opus_pages(coded, cut=1000)),
        "offset": ogg.joined(ogg.opus_pages(coded, start=480_001)),
        "no_pre_skip": ogg.joined(ogg.opus_pages(patched(coded, 10, b"\0\0"))),
        "long_pre_skip": ogg.joined(ogg.opus_pages(patched(coded, 10, struct.pack("<H", 33_333)))),
        "quiet": ogg.joined(ogg.opus_pages(patched(coded, 16, struct.pack("<h", -1536)))),
        "as_22k": ogg.joined(ogg.opus_pages(patched(coded, 12, struct.pack("<I", 22_050)))),
        "as_11k": ogg.joined(ogg.opus_pages(patched(coded, 12, struct.pack("<I", 11_025)))),
        "as_nothing": ogg.joined(ogg.opus_pages(patched(coded, 12, bytes(4)))),
        "end_lost": ogg.joined(pages[:-1]),
        "end_cut": ogg.joined(pages)[:-40],
        "page_lost": ogg.joined(pages[:5] + pages[6:]),
        "junk_between": ogg.joined(pages[:5]) + b"no page" + ogg.joined(pages[5:]),
        "junk_behind": ogg.joined(pages) + bytes(5000),
        "chained": ogg.joined(pages + ogg.opus_pages(coded[:12], serial=2)),
        "large_packets": ogg.joined(ogg.opus_pages(coded, per_page=40)),
    }
    sound = speech(prompt, 48_000, 0.3, 0.5)
    stereo = np.stack([sound, sound[::-1] * 0.5], axis=1)
    files["music_48k"] = ogg.joined(ogg.opus_pages(opus(sound, 48_000, 0.2), cut=648))
    files["stereo"] = ogg.joined(ogg.opus_pages(opus(stereo, 48_000, 0.1), cut=648))
    files["voice_8k"] = ogg.joined(ogg.opus_pages(opus(speech(prompt, 8000, 0.3, 0.9), 8000, 0.01)))
    many = np.stack([np.roll(sound, 999 * n) / (n + 1) for n in range(6)], axis=1)[:9600]
    files["surround"] = ogg.joined(ogg.opus_pages(opus(many, 48_000, 0.1)))
    for name, data in files.items():
        (FOLDER / f"opus_{name}.opus").write_bytes(data)


def expected(path):
    with sf.SoundFile(path) as file:
        # As torchaudio does; in an Opus file it decides where the sound begins.
        file.seek(0)
        # libsndfile 1.2.0 does not know the length of an Opus file that was cut.
        length = min(file.frames, 1_000_000)
        sound = file.read(length, dtype="float32", always_2d=True)
        rate = file.samplerate
    mean = sound[:, 0]
    for channel in range(1, sound.shape[1]):
        mean = mean + sound[:, channel]
    mean = (mean / np.float32(sound.shape[1])).astype("<f4")
    entry = {"file": path.name, "rate": rate, "channels": sound.shape[1], "samples": len(mean)}
    if path.suffix[1:] in INEXACT:
        places = np.linspace(0, len(mean) - 1, 12).astype(int)
        entry["probes"] = [[int(i), float(mean[i])] for i in places]
    else:
        # Zeros of either sign are one value.
        entry["crc32"] = zlib.crc32((mean + np.float32(0)).tobytes())
    return entry


def main(prompt):
    for old in FOLDER.iterdir():
        if old.suffix not in (".py", ".json"):
            old.unlink()
    write_containers(speech(prompt, 24_000, 0.5, 0.03))
    write_mp3(speech(prompt, 24_000, 0.3, 0.9))
    write_opus(prompt)
    files = sorted(p for p in FOLDER.iterdir() if p.suffix not in (".py", ".json"))
    lines = ",\n".join("  " + json.dumps(expected(path)) for path in files)
    (FOLDER / "expected.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
