"""The panel that says how a model was read: first on the page where a link asks for it, its layers on request."""


def shown(at):
    return " ".join(element.proto.body for element in at.get("html"))


def test_a_link_opens_the_panel_and_its_layers_are_looked_at_on_request(visit):
    at = visit("overview", model="metal-sound", reading="open").sound()
    assert at.expander[0].label == "How this model was read"
    assert "exactly one class is true of an image" in shown(at)
    assert "places of the image" not in shown(at)
    next(b for b in at.button if b.label == "Check its layers").click().run().sound()
    assert "keep the places of the image; maps look at" in shown(at)
    assert visit("overview", model="metal-sound").sound().expander[0].label != "How this model was read"
