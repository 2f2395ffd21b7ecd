"""Cards and reports: what is known of a release, told to people.

`find` says which release or dataset a name means, `gather` reads what is known of it into plain
values (`story`), and from these `page` writes one HTML file and `cards` write Markdown. Nothing
past `gather` touches the ledger, the store or Git.
"""
