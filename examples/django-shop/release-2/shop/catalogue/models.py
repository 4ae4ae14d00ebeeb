from django.db import models


class Product(models.Model):
    """What the shop sells, and for how much. Rows of release 1 have no price."""

    key = models.SlugField(primary_key=True)
    name = models.CharField(max_length=100)
    euros = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["key"]

    def __str__(self):
        return self.name
