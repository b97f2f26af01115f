"""How the page looks: the course's colours, its font, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scenes.stage.theme import DARK, LIGHT, Theme

FONT = "Inter"
FALLBACKS = ("system-ui", "Segoe UI", "Roboto", "sans-serif")


def _variables(theme: Theme) -> str:
    named = {**theme.readable(), "line": theme.line, "background": theme.background}
    return "".join(f"--{name}:{colour};" for name, colour in named.items())


STYLE = (
    f":root{{{_variables(LIGHT)}}}.dark{{{_variables(DARK)}}}"
    + "".join(
        f'@font-face{{font-family:"{FONT}";font-weight:{weight};font-display:swap;'
        f'src:url("/fonts/{name}.otf") format("opentype")}}'
        for name, weight in (("Inter-Regular", 400), ("Inter-SemiBold", 600))
    )
    + "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(
            (Path(__file__).resolve().parent / "static").glob("*.css"),
            key=lambda path: (path.stem != "explorer", path.name),
        )
    )
)


def theme() -> Any:
    """Gradio's plain theme in the course's colours."""
    import gradio as gr

    fonts = [FONT, *FALLBACKS]
    plain = gr.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"])
    both = {
        "body_background_fill": "background",
        "body_text_color": "text",
        "body_text_color_subdued": "quiet",
        "background_fill_primary": "background",
        "background_fill_secondary": "background",
        "block_background_fill": "background",
        "block_label_text_color": "quiet",
        "block_title_text_color": "text",
        "block_info_text_color": "quiet",
        "border_color_primary": "line",
        "input_background_fill": "background",
        "input_border_color": "line",
        "slider_color": "signal",
        "checkbox_background_color": "background",
        "checkbox_border_color": "line",
        "checkbox_label_background_fill": "background",
        "button_secondary_background_fill": "background",
        "button_secondary_border_color": "line",
        "button_secondary_text_color": "text",
        "button_secondary_background_fill_hover": "background",
        "button_secondary_border_color_hover": "signal",
        "button_secondary_text_color_hover": "signal",
        "button_primary_border_color": "signal",
        "button_primary_background_fill": "signal",
        "button_primary_background_fill_hover": "signal",
        "button_primary_text_color": "background",
        "color_accent": "signal",
    }
    values = {}
    for name, meaning in both.items():
        values[name] = values[f"{name}_dark"] = f"var(--{meaning})"
    values.pop("color_accent_dark")
    values |= {
        "block_padding": "10px 12px",
        "block_radius": "8px",
        "button_border_width": "1px",
        "button_border_width_dark": "1px",
        "button_small_text_size": "14px",
        "button_small_text_weight": "400",
        "input_border_width": "1px",
        "input_border_width_dark": "1px",
        "input_padding": "6px 10px",
        "layout_gap": "12px",
    }
    return plain.set(**values)
