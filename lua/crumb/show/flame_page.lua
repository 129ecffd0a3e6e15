--- flame_page: what stands around the frames of a flame graph: its style and its script.

local page = {}

local STYLE <const> = [[
svg { font: 12px monospace; background: #fffdf7; }
text { fill: #1c1c1c; }
#title { font: bold 16px sans-serif; text-anchor: middle; }
#frames g { cursor: pointer; }
#frames text { pointer-events: none; white-space: pre; }
#frames g:hover rect { stroke: #1c1c1c; stroke-width: 1; }
#frames g.around { opacity: 0.45; }
#frames g.hit rect { fill: #b455e6; }
#reset { cursor: pointer; text-decoration: underline; visibility: hidden; }
#matched, #hidden { text-anchor: end; }
input { box-sizing: border-box; width: 100%; font: 12px monospace; padding: 3px 6px; border: 1px solid #999; border-radius: 3px; }
input.wrong { border-color: #d00000; background: #ffe9e9; }
]]

-- Names come from the frames' titles and go to textContent: nothing that a program is called becomes markup.
local SCRIPT <const> = [==[
"use strict";
(function () {
	const XHTML = "http://www.w3.org/1999/xhtml", CHARACTER = 7.2;
	const svg = document.currentScript.ownerSVGElement;
	const by = id => svg.getElementById(id);
	const frames = Array.from(by("frames").querySelectorAll("g"), g => {
		const [title, rect, text] = g.children, words = title.textContent;
		return {
			g, rect, text, words, name: words.slice(0, words.lastIndexOf("\n")), at: +g.dataset.at, n: +g.dataset.n,
			top: +rect.getAttribute("y"), hit: false,
		};
	});
	const root = frames[0];
	let view = root;

	function label(name, pixels) {
		const room = Math.floor((pixels - 6) / CHARACTER);
		return name.length <= room ? name : room < 3 ? "" : name.slice(0, room - 2) + "..";
	}

	/* Draws what the view has below and above it: those that it lies in are as wide as it is. */
	function draw() {
		const pixels = by("frames").getBoundingClientRect().width || svg.clientWidth;
		for (const frame of frames) {
			const outside = frame.at + frame.n <= view.at || frame.at >= view.at + view.n;
			const around = !outside && frame.top > view.top;
			frame.g.style.display = outside ? "none" : "";
			frame.g.classList.toggle("around", around);
			if (outside)
				continue;
			const left = around ? 0 : (frame.at - view.at) / view.n, width = around ? 1 : frame.n / view.n;
			frame.rect.setAttribute("x", 100 * left + "%");
			frame.rect.setAttribute("width", 100 * width + "%");
			frame.text.setAttribute("x", 100 * left + "%");
			frame.text.textContent = label(frame.name, width * pixels);
		}
		by("reset").style.visibility = view === root ? "hidden" : "visible";
	}

	function zoom(frame) {
		view = frame;
		draw();
	}

	/* What lies above a frame that was found is part of it already. */
	function search(pattern) {
		let expression = null, counted = 0, end = 0;
		input.classList.remove("wrong");
		try {
			expression = pattern === "" ? null : new RegExp(pattern);
		} catch (error) {
			input.classList.add("wrong");
		}
		for (const frame of frames) {
			frame.hit = expression !== null && expression.test(frame.name);
			frame.g.classList.toggle("hit", frame.hit);
			if (frame.hit && frame.at >= end) {
				counted += frame.n;
				end = frame.at + frame.n;
			}
		}
		by("matched").textContent = expression ? "Matched: " + (100 * counted / root.n).toFixed(2) + "%" : "";
	}

	const box = document.createElementNS(svg.namespaceURI, "foreignObject"), input = document.createElementNS(XHTML, "input");
	for (const [name, value] of [["x", "79%"], ["y", 10], ["width", "20%"], ["height", 28]])
		box.setAttribute(name, value);
	input.setAttribute("placeholder", "Search (Ctrl-F)");
	input.setAttribute("title", "A regular expression; Esc clears it");
	input.addEventListener("input", () => search(input.value));
	box.append(input);
	svg.append(box);

	const by_group = new Map(frames.map(frame => [frame.g, frame]));
	const frame_of = event => by_group.get(event.target.closest("g"));
	by("frames").addEventListener("click", event => zoom(frame_of(event) || view));
	by("frames").addEventListener("mouseover", event => {
		const frame = frame_of(event);
		by("details").textContent = frame ? frame.words.replace("\n", " \u2014 ") : "";
	});
	by("frames").addEventListener("mouseout", () => { by("details").textContent = ""; });
	by("reset").addEventListener("click", () => zoom(root));
	window.addEventListener("resize", draw);
	window.addEventListener("keydown", event => {
		if (event.key === "f" && (event.ctrlKey || event.metaKey)) {
			event.preventDefault();
			input.focus();
			input.select();
		} else if (event.key === "Escape" && input.value !== "") {
			input.value = "";
			search("");
		} else if (event.key === "Escape") {
			input.blur();
			zoom(root);
		}
	});
	draw();
})();
]==]

local FORM <const> = [==[
<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="$height">
<title>$title</title>
<style>
$style</style>
<text id="title" x="50%" y="26">$title</text>
<text id="reset" x="$margin%" y="26">Reset zoom</text>
<svg id="frames" x="$margin%" y="$above" width="$inner%" height="$frames_height">
$frames
</svg>
<text id="details" x="$margin%" y="$foot"></text>
<text id="hidden" x="$right%" y="$foot">$hidden</text>
<text id="matched" x="$right%" y="$above" dy="-4"></text>
<script><![CDATA[
$script]]></script>
</svg>
]==]

--- The whole file. What is text in it is escaped already.
---@param parts table<string, string|integer>
---@return string
function page.around(parts)
	local all <const> = setmetatable({
		style = STYLE, script = SCRIPT, inner = 100 - 2 * parts.margin, right = 100 - parts.margin, foot = parts.height - 10,
	}, { __index = parts })
	return (FORM:gsub("%$([%a_]+)", function(name) return tostring(all[name]) end))
end

return page
