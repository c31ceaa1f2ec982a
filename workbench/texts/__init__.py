"""Words and values as shown: other people's text made safe, amounts in sentences, values of tables by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.texts.escaping import escaped, prose, without_folders
    from workbench.texts.goodness import reads_as_good
    from workbench.texts.panels import PANEL_ROWS, panel, panel_chip, panel_image, panel_note, panel_rows
    from workbench.texts.values import apart, scalar, shown
    from workbench.texts.wording import chosen, directed, duration, sentence_list, shortened

__getattr__ = handed_on(
    __name__,
    {
        "escaping": "escaped prose without_folders",
        "goodness": "reads_as_good",
        "panels": "PANEL_ROWS panel panel_chip panel_image panel_note panel_rows",
        "values": "apart scalar shown",
        "wording": "chosen directed duration sentence_list shortened",
    },
)
