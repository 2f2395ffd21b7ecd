"""Git's settings of the mirror: nothing of the user's own configuration runs in it."""

from __future__ import annotations

_CONFIG = """\
# Written by Tidemill; this is a copy of a remote branch and may be deleted.
[core]
\trepositoryformatversion = 1
\tbare = true
\thooksPath = /dev/null
\tfsmonitor = false
\tautocrlf = false
[remote "origin"]
\turl = "{url}"
{partial}[gc]
\tauto = 0
\tworktreePruneExpire = never
[submodule]
\trecurse = false
[protocol "ext"]
\tallow = never
[http]
\tlowSpeedLimit = 1000
\tlowSpeedTime = 30
[filter "lfs"]
\tclean =
\tsmudge =
\tprocess =
\trequired = false
"""
_PARTIAL = """\
\tpromisor = true
\tpartialclonefilter = blob:none
[extensions]
\tpartialClone = origin
"""


def mirror_config(remote: str, *, partial: bool) -> str:
    """The text of `config`; `partial` leaves out the contents of files until they are needed."""
    url = remote.replace("\\", "\\\\").replace('"', '\\"')
    return _CONFIG.format(url=url, partial=_PARTIAL if partial else "")
