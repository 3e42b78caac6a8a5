"""Makes the pictures and the expected pixels in this folder, with Pillow.

    python make.py

The pictures are a mosaic of the first test images of CIFAR-10 (fixtures/images),
saved in every way that package picture reads. expected.npz has for each file the
pixels of Image.open(file).convert("RGB"), or of convert("L") where the file is
grey; resized.npz has the mosaic resized with every filter. Made with Pillow
13.0.0 (libjpeg-turbo 3.2.0, libwebp) and imagecodecs 2026.
"""
import glob
import gzip
import io
import os
import struct
import zlib

import imagecodecs
import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
images = os.path.join(here, "../../../fixtures/images")


def rows():
    for name in sorted(os.listdir(images)):
        data = open(os.path.join(images, name), "rb").read()
        if name.endswith(".gz"):
            data = gzip.decompress(data)
        yield from np.frombuffer(data, np.uint8).reshape(-1, 3073)[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


some = rows()
mosaic = Image.fromarray(np.vstack([np.hstack([next(some) for _ in range(3)]) for _ in range(2)]))
for old in glob.glob(os.path.join(here, "*.*")):
    if not old.endswith(".py"):
        os.remove(old)


def save(name, im=mosaic, **options):
    im.save(os.path.join(here, name), **options)


def write(name, data):
    with open(os.path.join(here, name), "wb") as f:
        f.write(data)


# JPEG: every subsampling, odd sizes, progressive, restart markers, colour models.
for size in [(96, 64), (75, 53), (17, 9), (5, 3), (2, 1)]:
    im = mosaic.resize(size)
    for sub, name in enumerate(["444", "422", "420"]):
        save(f"{name}_{size[0]}x{size[1]}.jpg", im, quality=85, subsampling=sub)
    for sub in ["440", "411"]:
        write(f"{sub}_{size[0]}x{size[1]}.jpg", imagecodecs.jpeg8_encode(np.asarray(im), level=85, subsampling=sub))
odd = mosaic.resize((75, 53))
for sub, name in enumerate(["444", "422", "420"]):
    save(f"progressive_{name}.jpg", odd, quality=60, subsampling=sub, progressive=True)
save("progressive_grey.jpg", odd.convert("L"), quality=75, progressive=True)
save("low_quality.jpg", odd, quality=5)
save("restart.jpg", odd, quality=85, restart_marker_blocks=3)
save("restart_progressive.jpg", odd, quality=85, restart_marker_blocks=5, progressive=True)
save("grey.jpg", odd.convert("L"), quality=85)
save("rgb.jpg", odd, quality=85, keep_rgb=True)
save("cmyk.jpg", odd.convert("CMYK"), quality=85)
write("ycck.jpg", imagecodecs.jpeg8_encode(np.asarray(odd.convert("CMYK")), level=85, colorspace="CMYK", outcolorspace="YCCK"))
turned = Image.Exif()
turned[0x112] = 6
save("orientation.jpg", odd, quality=85, exif=turned)
data = io.BytesIO()
odd.save(data, "JPEG", quality=85)
write("bytes_after_scan.jpg", data.getvalue()[:-2] + b"\x12\x34" + data.getvalue()[-2:])

# A JPEG named .png and the reverse.
write("really_jpeg.png", data.getvalue())
data = io.BytesIO()
odd.save(data, "PNG")
write("really_png.JPEG", data.getvalue())

small = mosaic.resize((29, 23))
grey = small.convert("L")
alpha = small.copy()
alpha.putalpha(grey)


def png(name, array, bits, color, extra=b"", interlace=0):
    """A PNG file of any kind, from unfiltered rows."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    height, width = array.shape[:2]
    body = b"".join(b"\0" + bytes(row) for row in array.reshape(height, -1))
    if color in (0, 3) and bits < 8:
        body = b"".join(b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:].reshape(-1)).tobytes() for row in array)
    write(name, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace))
          + extra + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


save("rgb.png", small)
save("rgba.png", alpha)
save("grey.png", grey)
save("grey_alpha.png", alpha.convert("LA"))
save("palette.png", small.quantize(40))
save("palette_transparent.png", small.quantize(12), transparency=3)
save("palette_2.png", small.quantize(2), bits=1)
save("one_bit.png", small.convert("1"))
g = np.asarray(grey)
png("grey_2bit.png", g >> 6, 2, 0)
png("grey_4bit.png", g >> 4, 4, 0)
wide = np.asarray(small).astype(">u2") * 257 + 3
png("rgb_16bit.png", wide.view(np.uint8), 16, 2)
png("rgba_16bit.png", np.asarray(alpha).astype(">u2").__mul__(257).astype(">u2").view(np.uint8), 16, 6)
save("grey_16bit.png", Image.fromarray(g.astype(np.uint16) * 5))
save("adam7.png", small)  # replaced below by an interlaced one
write("adam7.png", imagecodecs.png_encode(np.asarray(small), level=6))

save("palette.gif", small.quantize(40))
save("transparent.gif", small.quantize(12), transparency=3)
save("grey.gif", grey)
save("animation.gif", small, save_all=True, append_images=[mosaic.resize((29, 23)).rotate(90)])
save("rgb.bmp", small)
save("palette.bmp", small.quantize(40))
save("grey.bmp", grey)
save("lossy.webp", mosaic, quality=70)
save("lossy_odd.webp", small, quality=70)
save("lossy_alpha.webp", alpha, quality=70)
save("lossless.webp", small, lossless=True)
save("rgb.tif", small)
save("grey.tif", grey, compression="tiff_lzw")

expected = {}
for path in sorted(glob.glob(os.path.join(here, "*.*"))):
    if path.endswith(".py"):
        continue
    im = Image.open(path)
    im = im.convert("L" if im.mode in ("1", "L") else "RGB")
    expected[os.path.basename(path)] = np.asarray(im)
np.savez_compressed(os.path.join(here, "expected.npz"), **expected)

resized = {"mosaic": np.asarray(mosaic)}
filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "nearest": Image.NEAREST}
for name, f in filters.items():
    for size in [(50, 37), (33, 91), (96, 64), (120, 81), (1, 1), (7, 64), (96, 5)]:
        resized[f"{name} {size[0]}x{size[1]}"] = np.asarray(mosaic.resize(size, f))
    resized[f"{name} 41x37 grey"] = np.asarray(mosaic.convert("L").resize((41, 37), f))
np.savez_compressed(os.path.join(here, "resized.npz"), **resized)
