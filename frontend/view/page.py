"""The frame of every HTML page: style, tabs, theme, zoom; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .palette import MONO, SANS

__all__ = ["Html", "Tab", "card", "drawing", "page", "table_html"]

Tab = tuple[str, str]  # title, body


class Html(str):
    """What is set into a page as it is; all other texts are escaped."""

    __slots__ = ()


_CSS = """
:root{--bg:#f5f7fa;--card:#fff;--ink:#16202e;--soft:#5b6879;--line:#dde3eb;--accent:#2f6fed;
--code:#f7f9fc;--wash:95%;--tint:45%}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){--bg:#0b1017;--card:#10161f;
--ink:#e6edf5;--soft:#93a1b3;--line:#263242;--accent:#6ea0ff;--code:#0d131b;--wash:20%;--tint:66%}}
:root[data-theme=dark]{--bg:#0b1017;--card:#10161f;--ink:#e6edf5;--soft:#93a1b3;--line:#263242;
--accent:#6ea0ff;--code:#0d131b;--wash:20%;--tint:66%}
*{box-sizing:border-box}html{color-scheme:light dark}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 @SANS@}
header{padding:26px 32px 0;background:var(--card);border-bottom:1px solid var(--line)}
h1{margin:0;font-size:21px;font-weight:680;letter-spacing:-.01em}
h1 small{font-weight:400;color:var(--soft);font-size:15px;margin-left:8px}
h2{font-size:15px;margin:26px 0 10px;font-weight:650}h2:first-child{margin-top:0}
.signature{color:var(--soft);font:12.5px/1.5 @MONO@;margin:6px 0 0;max-height:4.5em;overflow:auto}
.facts{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0 20px}
.fact{padding:9px 14px;border:1px solid var(--line);border-radius:10px;min-width:104px}
.fact b{display:block;font-size:17px;font-weight:650;font-variant-numeric:tabular-nums}
.fact span{color:var(--soft);font-size:12px}
nav{display:flex;gap:4px;overflow-x:auto}
nav button{border:0;background:none;color:var(--soft);font:600 14px @SANS@;padding:10px 14px;
cursor:pointer;border-bottom:2px solid transparent;white-space:nowrap}
nav button[aria-selected=true]{color:var(--accent);border-color:var(--accent)}
nav button:focus-visible,.tool:focus-visible{outline:2px solid var(--accent);outline-offset:-2px;
border-radius:6px}
main{padding:24px 32px 60px;max-width:1500px;margin:auto}section[hidden]{display:none}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;
margin-bottom:18px}
.tool{float:right;border:1px solid var(--line);background:var(--card);color:var(--soft);
border-radius:8px;padding:5px 10px;font:12.5px @SANS@;cursor:pointer}
pre{margin:0;font:12.5px/1.55 @MONO@;overflow:auto;max-height:70vh;background:var(--code);
border:1px solid var(--line);border-radius:8px;padding:12px 14px;tab-size:4}
.drawing{overflow:auto;max-height:78vh;border:1px solid var(--line);border-radius:10px;
background:var(--card);cursor:grab}
.drawing.drag{cursor:grabbing;user-select:none}.drawing svg{display:block;margin:auto}
table{border-collapse:collapse;font-size:13.5px;width:100%}
th{font-weight:600;color:var(--soft);text-align:left;font-size:12.5px;white-space:nowrap}
th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,td code{font:12.5px @MONO@}
.src{font:13px/1.65 @MONO@;overflow-x:auto}
.src div{display:flex;white-space:pre;border-radius:5px}.src div:hover{background:var(--code)}
.src .k{flex:0 0 230px;white-space:normal;text-align:right;padding-right:12px}
.src .no{flex:0 0 44px;color:var(--soft);text-align:right;padding-right:14px;user-select:none}
.chip{display:inline-block;font:600 11px/17px @MONO@;padding:0 6px;border-radius:6px;
margin-left:4px;text-decoration:none;color:hsl(var(--h) 60% var(--tint));
background:hsl(var(--h) 75% var(--wash));
border:1px solid hsl(var(--h) 45% 60% / .5)}
.chip.on,.chip:hover{outline:2px solid hsl(var(--h) 70% 55%)}
details{border-top:1px solid var(--line);padding:11px 0}details:first-of-type{border-top:0}
summary{cursor:pointer;font-weight:600}summary .soft{font-weight:400}
details>*:not(summary){margin-top:12px}
.soft{color:var(--soft)}.two{display:grid;grid-template-columns:1fr 1fr;gap:16px}
@media (max-width:1000px){.two{grid-template-columns:1fr}main,header{padding-left:16px;
padding-right:16px}}
"""

_JS = """
const $=(s,e=document)=>[...e.querySelectorAll(s)];
function show(id){$('section').forEach(s=>s.hidden=s.id!==id);
$('nav button').forEach(b=>b.setAttribute('aria-selected',b.dataset.tab===id));
$('.drawing').forEach(d=>d.start&&d.start());}
function go(){const id=location.hash.slice(1);if(!id)return;
const s=document.getElementById('panel-'+id);if(s)return show(s.id);
const e=document.getElementById(id);if(!e)return;show(e.closest('section').id);
if(e.tagName==='DETAILS')e.open=true;e.scrollIntoView({block:'start'});}
$('nav button').forEach(b=>b.onclick=()=>{show(b.dataset.tab);
history.replaceState(null,'','#'+b.dataset.tab.slice(6))});
addEventListener('hashchange',go);
const root=document.documentElement;
document.getElementById('theme').onclick=()=>{const dark=root.dataset.theme?
root.dataset.theme==='dark':matchMedia('(prefers-color-scheme:dark)').matches;
root.dataset.theme=dark?'light':'dark'};
$('.chip').forEach(c=>{const same=$('.chip[data-k="'+c.dataset.k+'"]');
c.onmouseenter=()=>same.forEach(x=>x.classList.add('on'));
c.onmouseleave=()=>same.forEach(x=>x.classList.remove('on'))});
$('.drawing').forEach(d=>{const v=d.querySelector('svg');let z=1;
const w=+v.getAttribute('width'),h=+v.getAttribute('height');
const zoom=n=>{z=Math.min(3,Math.max(.1,n));
v.setAttribute('width',w*z);v.setAttribute('height',h*z)};
d.start=()=>{if(!d.seen&&d.clientWidth){d.seen=1;if(w>d.clientWidth)
zoom(Math.max(.5,(d.clientWidth-8)/w));d.scrollLeft=(v.clientWidth-d.clientWidth)/2}};
const tool=d.previousElementSibling;
if(tool&&tool.classList.contains('tools'))$('button',tool).forEach(b=>b.onclick=()=>
zoom(b.dataset.z==='fit'?(d.clientWidth-8)/w:b.dataset.z==='1'?1:z*+b.dataset.z));
d.addEventListener('wheel',e=>{if(e.ctrlKey||e.metaKey){e.preventDefault();
zoom(z*Math.exp(-e.deltaY/400))}},{passive:false});
let p=null;d.onpointerdown=e=>{p=[e.clientX,e.clientY,d.scrollLeft,d.scrollTop];
d.classList.add('drag')};addEventListener('pointermove',e=>{if(p){
d.scrollLeft=p[2]+p[0]-e.clientX;d.scrollTop=p[3]+p[1]-e.clientY}});
addEventListener('pointerup',()=>{p=null;d.classList.remove('drag')});});
$('details').forEach(d=>d.addEventListener('toggle',()=>$('.drawing',d).forEach(x=>x.start())));
$('.drawing').forEach(d=>d.start());go();
"""


def page(
    title: str,
    subtitle: str,
    signature: str,
    facts: Sequence[tuple[str, str]],
    tabs: Sequence[Tab],
) -> str:
    """One self-contained page with tabs; it works from a file, in light and dark."""
    ids = [f"panel-{_slug(name)}" for name, _ in tabs]
    buttons = "".join(
        f'<button role="tab" data-tab="{id_}" aria-selected="{str(not at).lower()}">'
        f"{escape(name)}</button>"
        for at, (id_, (name, _)) in enumerate(zip(ids, tabs, strict=True))
    )
    sections = "\n".join(
        f'<section id="{id_}" role="tabpanel"{" hidden" if at else ""}>{body}</section>'
        for at, (id_, (_, body)) in enumerate(zip(ids, tabs, strict=True))
    )
    shown = "".join(
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in facts
    )
    css = _CSS.replace("@MONO@", MONO).replace("@SANS@", SANS)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(title)}: symfuse</title><style>{css}</style></head><body>
<header><button class="tool" id="theme" title="light or dark">◐ theme</button>
<h1>{escape(title)}<small>{escape(subtitle)}</small></h1>
<p class="signature">{escape(signature)}</p><div class="facts">{shown}</div>
<nav role="tablist">{buttons}</nav></header>
<main>{sections}</main><script>{_JS}</script></body></html>
"""


def card(body: str) -> str:
    """A part of a tab with a border around it."""
    return f'<div class="card">{body}</div>'


def drawing(svg: str) -> str:
    """A drawing that can be moved and magnified."""
    tools = "".join(
        f'<button class="tool" data-z="{zoom}">{name}</button>'
        for zoom, name in (("fit", "fit"), ("1", "1:1"), ("0.8", "−"), ("1.25", "+"))
    )
    hint = '<span class="soft">drag to move, ctrl and wheel to zoom</span>'
    bar = f'<div class="tools" style="height:36px">{tools}{hint}</div>'
    return f'{bar}<div class="drawing">{svg}</div>'


def table_html(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, code: int = 0
) -> str:
    """A table of texts; the first `code` are set as code."""
    head = "".join(f"<th{_number(at, left)}>{escape(name)}</th>" for at, name in enumerate(header))
    body = "".join(
        f"<tr>{''.join(_cell(cell, at, left, code) for at, cell in enumerate(row))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str, at: int, left: int, code: int) -> str:
    if not isinstance(text, Html):
        text = f"<code>{escape(text)}</code>" if at < code else escape(text)
    return f"<td{_number(at, left)}>{text}</td>"


def _number(at: int, left: int) -> str:
    return "" if at < left else ' class="n"'


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())
