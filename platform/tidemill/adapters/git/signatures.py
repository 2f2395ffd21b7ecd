"""Verifies the signature of a commit: `git verify-commit` with SSH keys and OpenPGP keys.

SSH keys are known by an allowed-signers file, OpenPGP keys by a keyring folder that holds nothing
else. Neither comes from the user's own settings: what counts is what this home was told.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tidemill.adapters.git.command import git, run
from tidemill.engine.sync import CommitSignature, SignatureVerdict
from tidemill.settings import Settings

_SSH_GOOD = re.compile(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$', re.MULTILINE)
_SSH_KEY = re.compile(r'^Good "git" signature with \S+ key (SHA256:\S+)$', re.MULTILINE)
_SSH_EXPIRED = re.compile(r"key has expired|key is not yet valid")
_GPG = re.compile(r"^\[GNUPG:\] (\S+) ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class TrustedSigners:
    """The keys that may sign."""

    allowed_signers: Path | None = None
    """OpenSSH allowed-signers file."""
    revoked_signers: Path | None = None
    """SSH public keys that may not any more."""
    gpg_home: Path | None = None
    """GNUPGHOME with the OpenPGP keys."""

    @classmethod
    def read(cls, settings: Settings) -> TrustedSigners:
        """Those of the settings."""
        return cls(settings.allowed_signers, settings.revoked_signers, settings.gpg_home)

    def verify_commit(self, repository: Path, commit: str) -> CommitSignature:
        """The verdict on one commit's signature; a bad one is a verdict, not an error."""
        header = git(repository, "cat-file", "commit", commit).split(b"\n\n", 1)[0]
        if b"\ngpgsig" not in header:
            return CommitSignature(
                commit, "unsigned", reason="is not signed; `git commit -S` signs"
            )
        if b"BEGIN SSH SIGNATURE" in header:
            return self._ssh(repository, commit)
        if b"BEGIN PGP SIGNATURE" in header:
            return self._openpgp(repository, commit)
        return CommitSignature(
            commit, "unknown", reason="is signed with X.509, which is not supported"
        )

    def _ssh(self, repository: Path, commit: str) -> CommitSignature:
        if self.allowed_signers is None or not self.allowed_signers.is_file():
            reason = "is signed with SSH, and no allowed signers are known"
            return CommitSignature(
                commit, "unknown", reason=f"{reason}; set TIDEMILL_ALLOWED_SIGNERS to their file"
            )
        if (
            self.revoked_signers is not None and not self.revoked_signers.is_file()
        ):  # Git would only warn
            path = self.revoked_signers
            reason = f"cannot be verified: the revoked signers file {path} does not exist"
            return CommitSignature(commit, "unknown", reason=reason)
        code, output = self._verify(repository, commit, self.revoked_signers)
        if code == 0 and (good := _SSH_GOOD.search(output)):
            return CommitSignature(commit, "good", good[1], good[2])
        if key := _SSH_KEY.search(output):
            return self._stranger(commit, key[1], output)
        if self.revoked_signers is not None:
            code, without = self._verify(repository, commit, None)
            if code == 0 and (good := _SSH_GOOD.search(without)):
                reason = f"is signed by {good[1]} with a revoked key ({good[2]})"
                return CommitSignature(commit, "revoked", good[1], good[2], reason)
        return CommitSignature(commit, "bad", reason="has an invalid signature")

    def _stranger(self, commit: str, key: str, output: str) -> CommitSignature:
        if _SSH_EXPIRED.search(output):
            reason = f"is signed with a key outside its time of validity ({key})"
            return CommitSignature(commit, "expired", key=key, reason=reason)
        reason = f"is signed with a key that is not in the allowed signers file ({key})"
        return CommitSignature(commit, "unknown", key=key, reason=reason)

    def _verify(self, repository: Path, commit: str, revoked: Path | None) -> tuple[int, str]:
        allowed = self.allowed_signers or Path(os.devnull)
        files = (f"allowedSignersFile={allowed}", f"revocationFile={revoked or ''}")
        options = [word for option in files for word in ("-c", f"gpg.ssh.{option}")]
        done = run(repository, *options, "verify-commit", "--raw", commit)
        return done.returncode, done.stderr.decode(errors="replace")

    def _openpgp(self, repository: Path, commit: str) -> CommitSignature:
        if self.gpg_home is None or not self.gpg_home.is_dir():
            reason = "is signed with OpenPGP, and no keyring is known; set TIDEMILL_GPG_HOME"
            return CommitSignature(commit, "unknown", reason=reason)
        environment = {"GNUPGHOME": str(self.gpg_home)}
        done = run(repository, "verify-commit", "--raw", commit, environment=environment)
        values: dict[str, str] = {}
        for word, rest in _GPG.findall(done.stderr.decode(errors="replace")):
            values.setdefault(word, rest)
        valid = values.get("VALIDSIG", "").split()
        key = valid[-1] if valid else values.get("ERRSIG", "").split(" ")[-1]
        verdict, reason = _openpgp_verdict(values, done.returncode)
        named = next((values[w] for w in ("GOODSIG", "EXPKEYSIG", "REVKEYSIG") if w in values), "")
        signer = named.partition(" ")[2]
        return CommitSignature(
            commit, verdict, signer, key, reason and f"{reason} ({signer or key})"
        )


def _openpgp_verdict(said: dict[str, str], code: int) -> tuple[SignatureVerdict, str]:
    if {"REVKEYSIG", "KEYREVOKED"} & said.keys():
        return "revoked", "is signed with a revoked key"
    if {"EXPKEYSIG", "EXPSIG"} & said.keys():
        return "expired", "is signed with a key or signature that has expired"
    if "BADSIG" in said:
        return "bad", "has an invalid signature"
    if code == 0 and "GOODSIG" in said and "VALIDSIG" in said:
        return "good", ""
    if "NO_PUBKEY" in said:
        return "unknown", "is signed with a key that is not in the keyring"
    return "bad", "has a signature that cannot be verified"
