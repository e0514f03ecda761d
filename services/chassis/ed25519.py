"""Ed25519 keys in PEM files, unencrypted, as openssl makes them: one way to read them for all that is
signed. `cryptography` is loaded with the first key: a service without one keeps 8 MB less.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file (PKCS #8). Raises OSError where it cannot be read, ValueError where it is
    none.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = path.read_bytes()
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("the file is not an unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        problem = "the key is not an Ed25519 key; make one with openssl genpkey -algorithm ed25519"
        raise ValueError(problem)  # noqa: TRY004 - a file, not an argument
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a file. Raises OSError where it cannot be read, ValueError where it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = path.read_bytes()
    try:
        key = load_pem_public_key(content)
    except ValueError as error:
        raise ValueError("the file is not a PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the key is not an Ed25519 key")  # noqa: TRY004 - a file, not an argument
    return key
