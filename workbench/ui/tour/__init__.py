"""The guided tour: six steps through one case, as a band above the pages or as slides."""
