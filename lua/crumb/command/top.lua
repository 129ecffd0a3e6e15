--- top: `crumb top TARGET`: the sites that are hit most, in a table that is drawn again and again in place.

local core <const> = require "crumb.core"
local date <const> = require "crumb.date"
local options <const> = require "crumb.command.options"
local output <const> = require "crumb.command.output"
local session <const> = require "crumb.command.session"
local terminal <const> = require "crumb.command.terminal"
local text <const> = require "crumb.show.text"

local PERIOD <const> = 1 -- seconds between two tables
local SLICE <const> = 0.1 -- seconds between two looks at the keys
local LINES <const> = 20 -- where there is no terminal
local SECOND <const> = 1000000000
local ENTER <const>, LEAVE <const> = "\27[?1049h\27[?25l", "\27[?25h\27[?1049l"
local FIELDS <const> = { "date", "site", "rate", "hits" }
local HOME <const>, TO_END_OF_LINE <const>, TO_END <const> = "\27[H", "\27[K", "\27[J"
local REVERSE <const>, PLAIN <const> = "\27[7m", "\27[0m"

-- Text cut to a width, between two characters.
local function cut(line, columns)
	while text.width(line) > columns do line = line:sub(1, utf8.offset(line, -1) - 1) end
	return line
end

-- What the table says: each site's hits a second and its sum, the busiest now first.
local function rows_of(probe, before, seconds)
	local rows <const> = assert(probe:read())
	for _, row in ipairs(rows) do
		row.rate = (row.count - (before[row.symbol] or 0)) / seconds
		before[row.symbol] = row.count
	end
	table.sort(rows, function(a, b)
		if a.rate ~= b.rate then return a.rate > b.rate end
		if a.count ~= b.count then return a.count > b.count end
		return a.symbol < b.symbol
	end)
	return rows
end

local function lines_of(rows, most)
	local lines <const> = { ("%12s %12s  %s"):format("hits/s", "hits", "site") }
	for i = 1, math.min(#rows, most) do
		lines[i + 1] = ("%12.0f %12d  %s"):format(rows[i].rate, rows[i].count, text.escape(tostring(rows[i].symbol)))
	end
	return lines
end

-- An object or a line of CSV for each site, of one time.
local function records_of(live, rows)
	local now <const> = date(core.now())
	for _, row in ipairs(rows) do
		output.written(live.output:record({ date = now, site = row.symbol, rate = row.rate, hits = row.count }, FIELDS))
	end
end

-- A screen of them.
local function draw(title, rows, colours)
	local height <const>, width <const> = terminal.size()
	local lines <const> = lines_of(rows, height - 3)
	table.insert(lines, 1, title)
	for i, line in ipairs(lines) do
		line = cut(line, width)
		lines[i] = (colours and i == 2 and REVERSE .. text.pad(line, width) .. PLAIN or line) .. TO_END_OF_LINE
	end
	io.stdout:write(HOME, table.concat(lines, "\n"), "\n", TO_END)
	io.stdout:flush()
end

-- The terminal as `top` has it, until it is closed.
local function screen()
	-- A signal that comes while it draws is noted, and ends the next run.
	local interrupt <const>, ending <const> = assert(core.interrupt()), core.termination()
	local keys <const> = core.terminal(0) and assert(core.keys(0))
	io.stdout:write(ENTER)
	return setmetatable({ pressed = function() return keys and keys:read():lower() or "" end }, { __close = function()
		if keys then keys:close() end
		io.stdout:write(LEAVE)
		io.stdout:flush()
		ending:close()
		interrupt:close()
	end })
end

-- Runs for one period, or until a key or anything else ends it: whether it goes on.
local function wait(live, pressed, deadline)
	repeat
		if pressed():find "q" then return false end
		local left <const> = math.max(0, (deadline - core.now()) / SECOND)
		if live:run { duration = math.min(SLICE, left) } ~= "duration" then return false end
	until core.now() >= deadline
	return true
end

local function watch(live, probe, title, settings, on_terminal)
	local before <const>, period <const>, began <const> = {}, settings.interval or PERIOD, core.now()
	local last <const> = settings.duration and began + math.floor(settings.duration * SECOND) or math.maxinteger
	local _ <close> = on_terminal
	local colours <const> = terminal.colours()
	local rows, drawn = {}, began
	if on_terminal then draw(title, rows, colours) end
	local pressed <const> = on_terminal and on_terminal.pressed or function() return "" end
	local goes_on
	repeat
		goes_on = wait(live, pressed, math.min(core.now() + math.floor(period * SECOND), last)) and core.now() < last
		local now <const> = core.now()
		rows, drawn = rows_of(probe, before, math.max((now - drawn) / SECOND, 1e-3)), now
		if on_terminal then
			draw(title, rows, colours)
		elseif live.output.format ~= "text" then
			records_of(live, rows)
		elseif goes_on then
			live:print(table.concat(lines_of(rows, LINES), "\n") .. "\n")
		end
	until not goes_on
	return rows
end

return function(settings, argv)
	local parser <const> = options.parser("top", "Shows which sites are hit most, as it goes on. q quits.",
		"crumb top 'uprobe:libc:*'")
	parser:argument "target":args "+":description "Such as 'uprobe:libc:str*'; crumb help targets."
	parser:option "--where":argname "EXPRESSION":description "Which hits count."
	local given <const> = options.read(options.common(parser), argv)
	settings = options.settings(given, settings)
	local is_text <const> = settings.format == "text"
	local live <close> = session.new({ format = settings.format, pid = settings.pid, follow = settings.follow,
		command = settings.command, max_sites = settings.max_sites, quiet = settings.quiet, verbose = settings.verbose })
	local probe <const> = live:probe {
		count = true, by = "symbol", where = given.where, missing = "skip", table.unpack(given.target),
	}
	local title <const> = text.escape(("%s  %s"):format(table.concat(given.target, " "), probe.mechanism))
	local rows <const> = watch(live, probe, title, settings, is_text and core.terminal(1) and screen())
	live:leave()
	if is_text then live:print(table.concat(lines_of(rows, 10), "\n")) end
	return live:finish()
end
