"""Signs a statement with the key that Git signs commits with, and verifies one."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tidemill.adapters.git.command import try_git
from tidemill.adapters.git.signatures import TrustedSigners
from tidemill.engine.approval import Identity
from tidemill.errors import NeedsApproval, ServiceError

NAMESPACE = "tidemill"
"""Namespace of SSH signatures: one for a commit or a file does not pass as an approval."""
_SSH_KEY = re.compile(r"^Good \"\S+\" signature for (.+) with \S+ key (SHA256:\S+)$", re.MULTILINE)
_GPG = re.compile(r"^\[GNUPG:\] (\S+) ?(.*)$", re.MULTILINE)
_SSH_MARK = "-----BEGIN SSH SIGNATURE-----"


def local_identity(folder: Path) -> Identity:
    """Name and address in Git's configuration, unproven; no address is an empty one."""
    return Identity(_config(folder, "user.email"), "unsigned", _config(folder, "user.name"))


def signing_key(folder: Path, signers: TrustedSigners) -> str:
    """Git's signing key as it is configured; empty without one, or while no keys count."""
    counted = signers.allowed_signers if _is_ssh(folder) else signers.gpg_home
    return _config(folder, "user.signingkey") if counted else ""


def sign(folder: Path, statement: bytes) -> str:
    """An armoured detached signature by Git's signing key; raises ServiceError."""
    key = _config(folder, "user.signingkey")
    if not _is_ssh(folder):
        program = _config(folder, "gpg.program") or "gpg"
        command = [program, "--batch", "--yes", "-u", key, "--armor", "--detach-sign"]
        return _call(command, statement, "sign with OpenPGP")
    program = _config(folder, "gpg.ssh.program") or "ssh-keygen"
    with tempfile.TemporaryDirectory(prefix="tidemill-sign-") as scratch:
        literal = key.removeprefix("key::")
        if literal.startswith(("ssh-", "ecdsa-", "sk-")):  # the key itself: an agent holds the rest
            path = Path(scratch) / "key.pub"
            path.write_text(literal + "\n")
        else:
            path = Path(key).expanduser()
        command = [program, "-Y", "sign", "-n", NAMESPACE, "-f", str(path)]
        return _call(command, statement, "sign with SSH")


def verify(statement: bytes, signature: str, principal: str, signers: TrustedSigners) -> str:
    """Fingerprint of the key of `who` that signed; raises NeedsApproval where it does not count."""
    with tempfile.TemporaryDirectory(prefix="tidemill-verify-") as scratch:
        path = Path(scratch) / "signature"
        path.write_text(signature)
        if signature.startswith(_SSH_MARK):
            return _verify_ssh(statement, path, principal, signers)
        return _verify_openpgp(statement, path, principal, signers)


def commit_signer(repository: Path, commit: str, signers: TrustedSigners) -> Identity | None:
    """The identity that signed a commit with a trusted key; None without such a signature."""
    signature = signers.verify_commit(repository, commit)
    return (
        Identity(_address(signature.signer), "merge", fingerprint=signature.key)
        if signature.is_good
        else None
    )


def _verify_ssh(statement: bytes, path: Path, principal: str, signers: TrustedSigners) -> str:
    if signers.allowed_signers is None or not signers.allowed_signers.is_file():
        raise NeedsApproval("no allowed signers are known; set TIDEMILL_ALLOWED_SIGNERS to a file")
    revoked = ["-r", str(signers.revoked_signers)] if signers.revoked_signers else []
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers.allowed_signers), "-I", principal]
    command += ["-n", NAMESPACE, "-s", str(path), *revoked]
    done = _run(command, statement)
    good = _SSH_KEY.search(done.stdout.decode(errors="replace"))
    if done.returncode or good is None:
        raise NeedsApproval(
            f"the signing key is not an allowed signer for {principal}; add the key to "
            f"{signers.allowed_signers} under that address, or correct `git config user.email`"
        )
    return str(good[2])


def _verify_openpgp(statement: bytes, path: Path, principal: str, signers: TrustedSigners) -> str:
    if signers.gpg_home is None or not signers.gpg_home.is_dir():
        raise NeedsApproval("no OpenPGP keyring is known; set TIDEMILL_GPG_HOME to its folder")
    home = {"GNUPGHOME": str(signers.gpg_home)}
    command = ["gpg", "--batch", "--status-fd", "1", "--verify", str(path), "-"]
    done = _run(command, statement, home)
    words = _words(done.stdout.decode(errors="replace"))
    if done.returncode or "GOODSIG" not in words or "VALIDSIG" not in words:
        raise NeedsApproval(
            f"the signing key is not in the keyring {signers.gpg_home}; import it there"
        )
    key = words["VALIDSIG"].split()[-1]
    listed = _run(["gpg", "--batch", "--with-colons", "--list-keys", key], b"", home)
    rows = [line.split(":") for line in listed.stdout.decode(errors="replace").splitlines()]
    addresses = {_address(row[9]) for row in rows if row[0] == "uid" and row[1] not in ("r", "e")}
    if principal.casefold() not in {address.casefold() for address in addresses}:
        raise NeedsApproval(
            f"key {key[-16:]} is of {', '.join(sorted(addresses))}, not of {principal}; "
            "correct `git config user.email`"
        )
    return key


def _words(said: str) -> dict[str, str]:
    """GnuPG's status lines: word → the rest of its line."""
    return {str(word): str(rest) for word, rest in _GPG.findall(said)}


def _address(uid: str) -> str:
    return uid.rpartition("<")[2].rstrip(">")


def _is_ssh(folder: Path) -> bool:
    return _config(folder, "gpg.format") == "ssh"


def _config(folder: Path, key: str) -> str:
    folder_or_here = folder if folder.exists() else Path.cwd()
    return (try_git(folder_or_here, "config", "--get", key) or "").strip()


def _call(command: list[str], given: bytes, what: str) -> str:
    done = _run(command, given)
    if done.returncode:
        message = " / ".join(done.stderr.decode(errors="replace").split("\n")).strip(" /")
        raise ServiceError(f"cannot {what}: {message}; see user.signingkey in Git's configuration")
    return done.stdout.decode()


def _run(
    command: list[str], given: bytes, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        )
    except FileNotFoundError:
        raise ServiceError(f"`{command[0]}` is not installed; it makes the signature") from None
