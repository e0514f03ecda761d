"""Writes typographic marks, line ends and spaces of many origins as the plain ones; every offset stays.

Notes come through word processors, web forms and old exports: curly quotes, dashes, non-breaking spaces and
hyphens, full-width letters, the control characters that Windows-1252 becomes when it is read as Latin-1. For
the rules "no-break hyphen" and "hyphen" are one mark. Each character becomes exactly one, so that a span of
the plain text is the same span of the note.
"""

from __future__ import annotations

INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""Characters without width, which may stand inside a word."""

_GROUPS = {
    "-": "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\x96",
    "'": "\u2018\u2019\u201a\u201b\u2032\u00b4`\x91\x92",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\x93\x94",
    " ": "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\x0b\x0c\u2028\u2029",
    ".": "\x85\u2026\u3002\uff61",
    ",": "\u2014\u2015\x97\u3001\uff64",
    "\u2022": "\u2023\u2043\u204c\u204d\u25a0\u25aa\u25cf\u25e6\u2219\uf0b7\x95\u00b7\u27a2\u25ba\u25b8",
    "\u2611": "\u2612\u2713\u2714\U0001f5f9\u25a3",
    "\u2610": "\u25a1\u25fb\u2717\u2718\u274f\u2751",
}
_TABLE = {ord(variant): ord(mark) for mark, variants in _GROUPS.items() for variant in variants}
_TABLE |= {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}  # full-width letters and marks
_TABLE |= dict.fromkeys(range(0x1F300, 0x1FB00), ord(","))  # pictographs part phrases
_TABLE |= {ord(mark): ord(mark) for mark in _GROUPS}


def plain(text: str) -> str:
    r"""`text` with plain marks and "\n" as the one line end; the same length, so the same offsets."""
    return text.replace("\r\n", " \n").replace("\r", "\n").translate(_TABLE)
