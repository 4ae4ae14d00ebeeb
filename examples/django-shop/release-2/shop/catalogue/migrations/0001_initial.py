from django.db import migrations, models

PRODUCTS = {
    "anvil": "Anvil, drop-forged",
    "kettle": "Kettle, enamelled",
    "lantern": "Lantern, with wick",
}


def stock(apps, _schema_editor):
    product = apps.get_model("catalogue", "Product")
    for key, name in PRODUCTS.items():
        product.objects.create(key=key, name=name)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Product",
            fields=[
                ("key", models.SlugField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
            ],
            options={"ordering": ["key"]},
        ),
        migrations.RunPython(stock, migrations.RunPython.noop),
    ]
