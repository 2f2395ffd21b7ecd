"""Prompt techniques: one file each, named as a Prompt spec names it.

A technique's module has
`messages(program, row)`: the conversation, as dicts with `role` and `content`;
`target(program, row)`: the text a model is trained to write;
`parse(program, text)`: the `Answer` in a model's text;
and optionally `EXTRA_TOKENS`, what it writes beyond the answer itself.
"""
