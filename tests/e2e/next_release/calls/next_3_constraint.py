from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("calls", "next_2_index")]

    operations = [ValidateConstraint("call", "next_count_is_not_negative")]
