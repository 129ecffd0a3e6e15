-- Flame graphs: what stands in the picture, and, in a browser where there is one, what its script does.
local crumb = require "crumb"
local lab = require "support.lab"

-- The frames of a picture, the parents first: name, what is said of it, and where it lies.
local function frames_of(svg)
	local frames <const> = {}
	for group in svg:gmatch "<g (.-)</g>" do
		local name <const>, words <const> = group:match "<title>(.-)\n([^\n]*)</title>"
		frames[#frames + 1] = {
			name = name, words = words, at = math.tointeger(tonumber(group:match 'data%-at="(%d+)"')),
			n = math.tointeger(tonumber(group:match 'data%-n="(%d+)"')), y = tonumber(group:match 'y="(%d+)"'),
			fill = group:match 'fill="(#%x+)"', label = group:match "<text[^>]*>([^<]*)</text>$",
		}
	end
	return frames
end

local FOLDED <const> = "main;read;copy 30\nmain;read 10\nmain;write 50\nidle 10"

describe("a flame graph", function()
	it("has a frame for each way, which counts what is above it", function()
		local seen <const> = {}
		for i, frame in ipairs(frames_of(crumb.flame(FOLDED))) do
			seen[i] = ("%s: %s, at %d, %d"):format(frame.name, frame.words, frame.at, frame.y)
		end
		assert.same({
			"all: 100 samples, 100.00%, at 0, 51", "idle: 10 samples, 10.00%, at 0, 34",
			"main: 90 samples, 90.00%, at 10, 34", "read: 40 samples, 40.00%, at 10, 17",
			"copy: 30 samples, 30.00%, at 10, 0", "write: 50 samples, 50.00%, at 50, 17",
		}, seen)
	end)

	it("says what it is of", function()
		local svg <const> = crumb.flame("main 1234567", { title = "tea & <cake>", unit = "us" })
		assert.matches("<title>tea &amp; &lt;cake&gt;</title>", svg, 1, true)
		assert.matches("main\n1,234,567 us, 100.00%</title>", svg, 1, true)
	end)

	it("is the same whatever the order, and a name has one colour", function()
		local lines <const> = {}
		for line in FOLDED:gmatch "[^\n]+" do table.insert(lines, 1, line) end
		assert.equal(crumb.flame(FOLDED), crumb.flame(table.concat(lines, "\n")))
		local frames <const> = frames_of(crumb.flame "a;same 1\nb;same 1\nb;other 1")
		assert.same({ "same", "same", "other" }, { frames[3].name, frames[6].name, frames[5].name })
		assert.equal(frames[3].fill, frames[6].fill)
		assert.not_equal(frames[3].fill, frames[5].fill)
	end)

	it("leaves out what is narrower than a tenth of a pixel, and counts it", function()
		local lines <const> = { "main 12000" }
		for i = 1, 7 do lines[#lines + 1] = ("main;tiny%d;above 1"):format(i) end
		lines[#lines + 1] = "main;small 2"
		local svg <const> = crumb.flame(table.concat(lines, "\n"))
		local frames <const> = frames_of(svg)
		assert.same({ "all", "main", "small" }, { frames[1].name, frames[2].name, frames[3].name, (frames[4] or {}).name })
		assert.equal(12009, frames[1].n)
		assert.matches(">14 narrower than 0.1 px left out</text>", svg, 1, true)
	end)

	it("cuts labels at characters, to what their frames hold", function()
		local frames <const> = frames_of(crumb.flame(("ö"):rep(12) .. " 7\nlong " .. 93))
		assert.equal(("ö"):rep(8) .. "..", frames[3].label)
		assert.equal("long", frames[2].label)
	end)

	it("holds ten thousand frames", function()
		local lines <const> = {}
		for i = 1, 5000 do lines[i] = ("f%d;g%d 1"):format(i, i) end
		assert.equal(10001, #frames_of(crumb.flame(table.concat(lines, "\n"))))
	end)

	it("is empty of no stacks, and refuses what is none", function()
		assert.equal("0 samples, 100.00%", crumb.flame "":match "\n([^\n]*)</title><rect")
		assert.error_matches(function() crumb.flame "main 1\nmain;x" end,
			'^flame: line 2 is no folded stack, such as "main;malloc 12": main;x$')
		assert.error_matches(function() crumb.flame "main 99999999999999999999" end, "^flame: line 1 is no folded stack")
		assert.error_matches(function() crumb.flame "\27[31m" end, ": \\x1b%[31m$")
	end)
end)

-- What a program may be called.
local HOSTILE <const> = {
	"</text><script>alert(1)</script>", "]]><script>alert(2)</script>", [["onload='alert(3)']], "&lt;b&gt;", "<!--", "\27[31mred",
	"a\0b", "\xff\xfe", "\u{202e}txt", "\u{ffff}", "\\x41", "$script", "%1",
}

describe("a flame graph of hostile names", function()
	local svg <const> = crumb.flame(table.concat(HOSTILE, " 1\n") .. " 1", { title = HOSTILE[1], unit = HOSTILE[1] })

	it("has no markup but its own", function()
		local outside <const> = svg:gsub("<style>.-</style>", ""):gsub("<!%[CDATA%[.-%]%]></script>", "</script>")
		local known <const> = { svg = true, title = true, text = true, g = true, rect = true, script = true, ["?xml"] = true }
		for tag in outside:gmatch "<(/?[^%s>/]*)" do assert.is_true(known[tag:gsub("^/", "")] or false, tag) end
		local _, scripts <const> = outside:gsub("<script", "")
		assert.equal(1, scripts)
		assert.is_nil(outside:find "[\0-\8\11-\31\127]")
		assert.is_truthy(utf8.len(outside))
	end)

	it("shows each name", function()
		local seen <const> = {}
		for _, frame in ipairs(frames_of(svg)) do seen[frame.name] = true end
		for _, name in ipairs { "&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;", [[\x1b[31mred]], [[a\x00b]], [[\xff\xfe]],
			[[\u{202e}txt]], "&amp;lt", "$script", [[\x41]] } do
			assert.is_true(seen[name] or false, name)
		end
	end)
end)

-- Runs a script in the picture, in a browser; what it puts into the picture.
local function in_browser(svg, script)
	local folder <const> = os.tmpname()
	os.remove(folder)
	assert(os.execute("mkdir " .. folder))
	local file <const> = assert(io.open(folder .. "/page.svg", "w"))
	file:write((svg:gsub("</svg>%s*$", function()
		return ("<text id=\"result\"></text><script><![CDATA[%s]]></script></svg>"):format(script)
	end)))
	file:close()
	local pipe <const> = io.popen("cd " .. folder
		.. "; HOME=$PWD timeout 60 chromium --headless --no-sandbox --disable-gpu --dump-dom $PWD/page.svg 2>errors")
	local text <const> = pipe:read "a"
	pipe:close()
	local errors <const> = lab.read(folder .. "/errors")
	os.execute("rm -r " .. folder)
	return text:match '<text id="result">(.-)</text>', errors
end

describe("the script of a flame graph", function()
	it("searches and zooms", function()
		if not os.execute "command -v chromium >/dev/null" then pending "no chromium here" return end
		local result <const>, errors <const> = in_browser(crumb.flame(FOLDED .. "\n</text><script>alert(1)</script> 1"), [[
			const said = [], svg = document.documentElement, input = svg.querySelector("input");
			const text = id => svg.getElementById(id).textContent;
			const shown = () => [...svg.querySelectorAll("#frames g")].filter(g => g.style.display !== "none")
				.map(g => g.querySelector("title").textContent.split("\n")[0] + (g.classList.contains("hit") ? "!" : "")).join(" ");
			const key = (key, ctrlKey) => window.dispatchEvent(new KeyboardEvent("keydown", { key, ctrlKey, cancelable: true }));
			const type = value => { input.value = value; input.dispatchEvent(new Event("input")); };
			const frame = name => [...svg.querySelectorAll("#frames g")].find(g => g.querySelector("title").textContent.startsWith(name));
			const at = (name, event) => frame(name).querySelector("rect").dispatchEvent(new MouseEvent(event, { bubbles: true }));
			window.alert = () => said.push("alert");
			key("f", true);
			said.push(document.activeElement === input);
			type("^(read|copy)$");
			said.push(text("matched"), shown());
			type("(");
			said.push(input.className);
			at("read", "mouseover");
			said.push(text("details"));
			at("read", "click");
			key("Escape");
			said.push(input.value, shown(), frame("copy").querySelector("rect").getAttribute("width"));
			key("Escape");
			said.push(shown());
			at("write", "click");
			said.push(shown());
			svg.getElementById("reset").dispatchEvent(new MouseEvent("click"));
			said.push(shown());
			svg.getElementById("result").textContent = said.join("|");
		]])
		local all <const> = "all &lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt; idle main read copy write"
		assert.equal(table.concat({
			"true", "Matched: 39.60%", "all &lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt; idle main read! copy! write", "wrong",
			"read — 40 samples, 39.60%", "", "all main read copy", "75%", all, "all main write", all,
		}, "|"), result, errors)
	end)
end)
