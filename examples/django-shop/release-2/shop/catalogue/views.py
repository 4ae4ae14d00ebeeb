from catalogue.models import Product
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST


@require_GET
def index(request):
    """All products, and how many are in the visitor's basket."""
    basket = request.session.get("basket", [])
    return render(request, "catalogue/index.html", {"products": Product.objects.all(), "basket": basket})


@require_GET
def product(request, key):
    """One product."""
    return render(request, "catalogue/product.html", {"product": get_object_or_404(Product, key=key)})


@require_POST
def add(request):
    """Puts a product into the basket, which is in the session."""
    found = get_object_or_404(Product, key=request.POST.get("product", ""))
    request.session["basket"] = [*request.session.get("basket", []), found.key][-20:]
    return redirect("index")
