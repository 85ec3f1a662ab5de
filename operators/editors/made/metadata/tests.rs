//! Against Pillow, which writes what ComfyUI and other editors write, and reads what is left.

use std::path::Path;
use std::process::{Command, Stdio};

use ::tests::python::python_with;

use super::*;

fn run(python: &mut Command, script: &str, folder: &Path) -> String {
    let output = python.args(["-c", script]).arg(folder).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Pictures of all three kinds with words in every place that Pillow can write to: those of ComfyUI's SaveImage among them.
const WRITE: &str = r#"
import sys, io
from PIL import Image, ImageCms, PngImagePlugin
folder = sys.argv[1]
rgb = Image.frombytes("RGB", (37, 23), bytes((x * 7 + y * 3 + c * 50) % 256 for y in range(23) for x in range(37) for c in range(3)))
icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
words = '{"3": {"inputs": {"text": "SECRET /home/me"}}}'
xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">SECRET</x:xmpmeta>'
def exif(orientation):
    it = Image.Exif()
    it[0x010f] = "workflow:" + words
    it[0x9286] = b"ASCII\0\0\0SECRET"
    if orientation: it[0x0112] = orientation
    return it.tobytes()
def png(name, picture, orientation=None, **more):
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", words)
    info.add_text("workflow", words * 50, zip=True)
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    info.add(b"prVt", b"SECRET")
    picture.save(f"{folder}/{name}.png", pnginfo=info, exif=exif(orientation), **more)
png("rgb", rgb, icc_profile=icc, dpi=(72, 72))
png("turned", rgb, 6)
png("grey16", Image.frombytes("I;16", (9, 5), bytes(range(90))))
palette = rgb.quantize(16)
palette.info["transparency"] = 3
png("palette", palette)
png("frames", rgb, save_all=True, append_images=[rgb.rotate(180)], duration=100)
for name, more in [("base", {}), ("progressive", {"progressive": True}), ("restarts", {"restart_marker_rows": 1})]:
    for orientation in [None, 3, 8]:
        out = io.BytesIO()
        rgb.save(out, "JPEG", exif=exif(orientation), xmp=xmp, comment=b"SECRET", icc_profile=icc, quality=90, **more)
        file = out.getvalue()
        # IPTC, where Photoshop has it.
        file = file[:2] + b"\xff\xed\x00\x1cPhotoshop 3.0\x00SECRETSECRET" + file[2:]
        open(f"{folder}/{name}_{orientation}.jpg", "wb").write(file + b"SECRET behind the end")
rgb.convert("CMYK").save(f"{folder}/cmyk.jpg", exif=exif(5), comment=b"SECRET")
for name, more in [("lossy", {}), ("lossless", {"lossless": True}), ("frames", {"save_all": True, "append_images": [rgb.rotate(180)]})]:
    for orientation in [None, 6]:
        rgb.save(f"{folder}/{name}_{orientation}.webp", exif=exif(orientation), xmp=xmp, icc_profile=icc, **more)
rgb.convert("RGBA").save(f"{folder}/alpha.webp", exif=exif(2))
rgb.save(f"{folder}/plain.webp")
"#;

/// Pixels, frames, colour profile and orientation are those that they were, and no word is left.
const COMPARE: &str = r#"
import sys, os
from PIL import Image, ImageSequence
folder, count = sys.argv[1], 0
def looks(path):
    it = Image.open(path)
    frames = [frame.copy().convert("RGBA").tobytes() for frame in ImageSequence.Iterator(it)]
    info = {key: it.info.get(key) for key in ("icc_profile", "jfif_density", "transparency", "duration")}
    return it.mode, it.size, frames, info, Image.open(path).getexif().get(0x0112, 1)
for name in sorted(os.listdir(folder)):
    if name.startswith("clean."): continue
    was, now = looks(f"{folder}/{name}"), looks(f"{folder}/clean.{name}")
    assert was == now, (name, [(a, b) for a, b in zip(was, now) if a != b and len(str(a)) < 500])
    it = Image.open(f"{folder}/clean.{name}")
    it.load()
    exif = dict(it.getexif())
    assert set(exif) <= {0x0112}, (name, exif)
    file = open(f"{folder}/clean.{name}", "rb").read()
    assert b"SECRET" not in file and b"xmp" not in file and b"Photoshop" not in file, name
    assert not {"prompt", "workflow", "comment", "xmp", "XML:com.adobe.xmp"} & set(it.info), (name, it.info)
    count += 1
print(count)
"#;

#[test]
fn words_go_and_pixels_profiles_frames_and_orientation_stay() {
    let Some(mut python) = python_with(&["PIL"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    run(&mut python, WRITE, folder.path());
    let mut count = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let clean = without_metadata(&file).unwrap();
        assert_eq!(name == "plain.webp", matches!(clean, Cow::Borrowed(_)), "{name}");
        assert!(
            matches!(without_metadata(&clean).unwrap(), Cow::Borrowed(_)),
            "{name}: there is more to take away"
        );
        std::fs::write(path.with_file_name(format!("clean.{name}")), &clean).unwrap();
        count += 1;
        // Broken off or garbled: an error or a picture, no panic.
        for cut in 0..file.len().min(400) {
            let _ = without_metadata(&file[..cut]);
            let mut garbled = file.clone();
            garbled[cut] ^= 0xFF;
            let _ = without_metadata(&garbled);
        }
    }
    let Some(mut python) = python_with(&["PIL"]) else { return };
    assert_eq!(run(&mut python, COMPARE, folder.path()).trim(), count.to_string());
    assert!(count > 20, "{count}");
}
