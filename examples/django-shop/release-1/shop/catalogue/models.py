from django.db import models


class Product(models.Model):
    """What the shop sells."""

    key = models.SlugField(primary_key=True)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["key"]

    def __str__(self):
        return self.name
