"""Files: encrypted before they leave, decrypted after they came, in memory only."""

import re
from collections.abc import Mapping
from typing import Any

from nio.crypto import decrypt_attachment, encrypt_attachment
from nio.exceptions import EncryptionError

from bot.errors import AttachmentError, FileTooLargeError
from bot.matrix.http import Http, RequestError, is_gone
from bot.matrix.untrusted import number, text
from bot.messages import Attachment

MEDIA = "/_matrix/client/v1/media/download"
CONFIGS = ("/_matrix/client/v1/media/config", "/_matrix/media/v3/config")  # since v1.11, before
SOON = 10.0  # seconds in which a limit is told, or not known
_MXC = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]+)/([A-Za-z0-9_-]+)")


async def upload_encrypted(http: Http, attachment: Attachment) -> dict[str, Any]:
    """The `file` object of a message: where the ciphertext lies, and the key to it.

    The media repository learns the size and nothing else: neither name nor type. Raises
    FileTooLargeError where it takes less.
    """
    ciphertext, keys = encrypt_attachment(attachment.content)
    try:
        return {**keys, "url": await http.upload(ciphertext)}
    except RequestError as error:
        if error.status == 413 or error.errcode == "M_TOO_LARGE":
            raise _refused(len(ciphertext)) from None
        raise


async def upload_limit(http: Http) -> int | None:
    """How many bytes a file may have (m.upload.size); None where the homeserver doesn't say."""
    for target in CONFIGS:
        try:
            answer = await http.call("GET", target, seconds=SOON, patience=0.0)
        except RequestError:
            continue
        size = number(answer, "m.upload.size")
        return size if size > 0 else None
    return None


async def download_encrypted(http: Http, content: Mapping[str, Any], *, limit: int) -> Attachment:
    """The file of an m.file message (Matrix spec, sending encrypted attachments)."""
    file = content.get("file")
    place = _MXC.fullmatch(text(file, "url"))
    if place is None:
        raise AttachmentError("This message holds no encrypted file.")
    if number(content, "info", "size") > limit:
        raise _too_large(limit)
    ciphertext = await _downloaded(http, f"{MEDIA}/{place[1]}/{place[2]}", limit)
    keys = (text(file, "key", "k"), text(file, "hashes", "sha256"), text(file, "iv"))
    try:
        plaintext: bytes = decrypt_attachment(ciphertext, *keys)
    except (EncryptionError, ValueError):  # ValueError: base64 that is none
        raise AttachmentError("The file can't be decrypted: it was changed or cut off.") from None
    name = text(content, "filename") or text(content, "body")
    return Attachment(name, text(content, "info", "mimetype"), plaintext)


async def _downloaded(http: Http, path: str, limit: int) -> bytes:
    try:
        return await http.download(path, limit=limit)
    except RequestError as error:
        if error.status == 200:  # it came, and went on
            raise _too_large(limit) from None
        if is_gone(error):
            raise AttachmentError("The homeserver no longer has that file.") from None
        raise


def _too_large(limit: int) -> AttachmentError:
    return AttachmentError(f"The file is larger than {_megabytes(limit)}.")


def _refused(size: int) -> FileTooLargeError:
    return FileTooLargeError(
        f"The file has {_megabytes(size)}, and the homeserver, or a proxy before it, takes none so "
        "large: I have sent nothing. Everything is kept as it was. Ask whoever runs the homeserver "
        "to allow larger uploads, there and in the proxy, then type the command again."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.3g} MB"
