from pathlib import Path

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import calls.migrations

LATEST = max(path.stem for path in Path(str(calls.migrations.__file__)).parent.glob("[0-9]*.py"))


class Migration(migrations.Migration):
    dependencies = [("calls", LATEST)]

    operations = [
        migrations.AddField("call", "next_note", models.TextField(null=True)),
        # The version before inserts without it, so the database itself has to know what it is.
        migrations.AddField("call", "next_count", models.IntegerField(db_default=0)),
        migrations.CreateModel(
            "NextThing",
            [("id", models.UUIDField(primary_key=True)), ("name", models.TextField())],
        ),
        AddConstraintNotValid(
            "call",
            models.CheckConstraint(
                condition=models.Q(next_count__gte=0), name="next_count_is_not_negative"
            ),
        ),
    ]
