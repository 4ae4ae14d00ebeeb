"""Static files with a hash of their content in their names."""

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class PublishedStaticFiles(ManifestStaticFilesStorage):
    """The shop's files by their public address; the admin's by a path that WhiteNoise serves on each host.

    A page of one release asks for its files by names that no other release has for other content, so it does
    not matter which release serves, or when. The manifest lies outside the folder: it is nobody's business.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, manifest_storage=FileSystemStorage(location=settings.MANIFEST_ROOT), **kwargs)

    def url(self, name, force=False):
        found = super().url(name, force)
        if name.startswith("admin/"):
            return found
        return settings.ASSETS_URL + found.removeprefix(settings.STATIC_URL)
