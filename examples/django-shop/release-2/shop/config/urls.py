from catalogue import views
from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("", views.index, name="index"),
    path("products/<slug:key>/", views.product, name="product"),
    path("basket/", views.add, name="add"),
    path("admin/", admin.site.urls),
]
