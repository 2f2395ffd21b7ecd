"""What Alembic runs to migrate: the revisions, on the connection that the caller holds."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
