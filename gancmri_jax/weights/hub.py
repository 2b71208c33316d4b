"""Model files on the Hugging Face hub, by address: `hf://OWNER/NAME[@REVISION][/FILE]`."""

import importlib.util
import pathlib
import re

from gancmri_jax.errors import InputError

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://(?P<name>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?(/(?P<file>.+))?")
_FILE = "model.safetensors"


def fetch_from_hub(address: str) -> pathlib.Path:
    """Return where a model file of the hub lies, in huggingface_hub's cache, fetched if need be.

    Args:
        address: `hf://OWNER/NAME`, with `@REVISION` (a tag or commit; else the newest) and `/FILE`
            (else `model.safetensors`) where wanted.

    Raises:
        InputError: It is no such address, the file cannot be had, or huggingface_hub is missing.
    """
    if not (found := _ADDRESS.fullmatch(address)):
        raise InputError(
            f"{address}: is not an address of the form hf://OWNER/NAME[@REVISION][/FILE]"
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError(f"{address}: needs huggingface_hub; pip install 'gancmri_jax[hub]'")
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    try:
        return pathlib.Path(
            huggingface_hub.hf_hub_download(
                found["name"], found["file"] or _FILE, revision=found["revision"]
            )
        )
    except (OSError, EntryNotFoundError, HFValidationError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{address}: cannot be fetched: {reason}") from error
