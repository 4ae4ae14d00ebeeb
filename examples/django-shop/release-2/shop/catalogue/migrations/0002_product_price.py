"""Expands: release 1 goes on reading and writing rows without knowing of the column.

Nothing is filled in here and nothing is removed: a table that is rewritten is a table that is locked. What
makes the column obligatory is a migration of a later release, when no host runs release 1 any more.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalogue", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="product",
            name="euros",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
    ]
