--- draw: values, tables, histograms and stacks as text, in the form that bpftrace made known.
--
-- It knows nothing of probes and events, and prints nothing: crumb.show does.

local binaries <const> = require "crumb.lazy" "crumb.binaries"
local text <const> = require "crumb.show.text"
local u64 <const> = require "crumb.u64"

local draw = {}

local BAR <const>, LABEL <const>, COUNT <const> = 52, 16, 8
local BYTES <const> = 64
local UNITS <const> = { "ns", "us", "ms", "s" }
local SUFFIXES <const> = { [0] = "", "K", "M", "G", "T", "P", "E" }
local STACKS <const> = { kstack = true, ustack = true }
local UNSIGNED <const> = { unsigned = true, cookie = true }
local HISTOGRAMS <const> = { HIST = true, LHIST = true }

--- A time as people say it, of three digits: "12.3us".
--- Units: nanoseconds.
---@param ns integer
---@return string
function draw.duration(ns)
	local value, unit = ns, 1
	while math.abs(value) >= (unit == 1 and 1000 or 999.5) and unit < #UNITS do value, unit = value / 1000, unit + 1 end
	local size <const> = math.abs(value)
	local form = unit == 1 and "%d%s" or "%.2f%s"
	if unit > 1 and size >= 9.995 then form = size < 99.95 and "%.1f%s" or "%.0f%s" end
	return form:format(value, UNITS[unit])
end

-- Whether 64 bits look as where Linux puts what it may put anywhere (programs, libraries, heaps, stacks), or itself.
local function is_address(value)
	return value >= 0x550000000000 and value < 1 << 48 or value >= -(1 << 48) and value < -(1 << 30)
end

local function hex(bytes)
	local shown <const> = bytes:sub(1, BYTES):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
	return #bytes > BYTES and ("%s... (%d bytes)"):format(shown, #bytes) or shown
end

--- One value as its column is shown: `?` is one that could not be read, `-` one that is not there.
---@param value any
---@param column { kind: string?, time: boolean? }? nil: by its type
---@param as_string fun(bytes: string): string? how strings are shown: text.word
---@return string
function draw.value(value, column, as_string)
	local kind <const> = column and column.kind
	if value == nil then return "-" end
	if type(value) == "boolean" then return (value or kind == "bool") and tostring(value) or "?" end
	if kind == "symbol" then return (as_string or text.word)(binaries.demangle(value) or value) end
	if type(value) == "string" then return kind == "bytes" and hex(value) or (as_string or text.word)(value) end
	if math.type(value) == "float" then return ("%.1f"):format(value) end
	if math.type(value) ~= "integer" then return text.word(tostring(value)) end
	if kind == "pointer" or kind == "untyped" and is_address(value) then return ("0x%x"):format(value) end
	return kind and UNSIGNED[kind] and u64.format(value) or ("%d"):format(value)
end

--- A frame of a stack: "malloc+0x10 (/lib/libc.so.6)", with its line where that is known.
---@param frame crumb.Frame
---@return string
function draw.frame(frame)
	local name <const>, offset <const>, module = frame.name, frame.offset, frame.module
	local place = ("0x%x"):format(frame.address or 0)
	if name then
		place = text.escape(name)
		if offset then place = ("%s+0x%x"):format(place, offset) end
	end
	if module then
		module = text.escape(module)
		place = name and ("%s (%s)"):format(place, module) or ("%s (%s+0x%x)"):format(place, module, offset or 0)
	end
	return frame.line and ("%s at %s:%d"):format(place, text.escape(frame.file or "?"), frame.line) or place
end

--- A stack, innermost first, a line each.
---@param lines string[] to add them to
---@param frames crumb.Frame[]|false|nil
---@param indent string
function draw.stack(lines, frames, indent)
	if type(frames) ~= "table" then
		lines[#lines + 1] = indent .. draw.value(frames)
	else
		for _, frame in ipairs(frames) do lines[#lines + 1] = indent .. draw.frame(frame) end
	end
end

--- The header of a column.
---@param column { name: string, time: boolean? }
---@return string
function draw.header(column)
	return column.time and column.name .. " (ns)" or column.name
end

-- Whether all bounds can be written with the suffixes of powers of 1024: 1K and 1500 do not go together.
local function bounds_have_suffixes(buckets)
	for _, bucket in ipairs(buckets) do
		local low <const> = bucket.low
		if low ~= math.mininteger and math.abs(low) >= 1024 and low % 1024 ~= 0 then return false end
	end
	return true
end

--- The least and the largest number of a bucket; nil: it has no end there.
---@param bucket crumb.Bucket
---@param is_unsigned boolean? of what was counted
---@return integer? low
---@return integer? high
function draw.ends(bucket, is_unsigned)
	local is_last <const> = is_unsigned and bucket.high == -1 -- from 2^63 on
	return (is_last or bucket.low ~= math.mininteger) and bucket.low or nil, bucket.high ~= math.maxinteger and bucket.high or nil
end

local function bound(value, suffixes)
	local power = 0
	if value == math.mininteger then return suffixes and "8E" or u64.format(value) end -- 2^63, of numbers without a sign
	while suffixes and value ~= 0 and value % 1024 == 0 do value, power = value // 1024, power + 1 end
	return ("%d%s"):format(value, SUFFIXES[power])
end

-- `following`: the next bucket, where numbers have no sign.
local function bucket_label(bucket, suffixes, is_unsigned, following)
	if is_unsigned and bucket.low < 0 then return ("[%s, ...)"):format(bound(bucket.low, suffixes)) end
	if bucket.low == bucket.high then return ("[%s]"):format(bound(bucket.low, suffixes)) end
	if bucket.low == math.mininteger then return ("(..., %s)"):format(bound(bucket.high + 1, suffixes)) end
	if bucket.high == math.maxinteger and not following then return ("[%s, ...)"):format(bound(bucket.low, suffixes)) end
	return ("[%s, %s)"):format(bound(bucket.low, suffixes), bound(bucket.high + 1, suffixes))
end

--- The bars of a histogram: `[4, 8)                12 |@@@@@@        |`.
---@param lines string[] to add them to
---@param buckets crumb.Bucket[]
---@param is_unsigned boolean? of what was counted
function draw.histogram(lines, buckets, is_unsigned)
	local suffixes <const>, labels <const> = bounds_have_suffixes(buckets), {}
	local widest, most = LABEL, 1
	for i, bucket in ipairs(buckets) do
		labels[i] = bucket_label(bucket, suffixes, is_unsigned, is_unsigned and buckets[i + 1])
		widest, most = math.max(widest, #labels[i] + 1), math.max(most, bucket.count)
	end
	local digits <const> = math.max(COUNT, #tostring(most))
	for i, bucket in ipairs(buckets) do
		local bar <const> = ("@"):rep(bucket.count * BAR // most)
		local count <const> = ("%d"):format(bucket.count)
		lines[#lines + 1] = ("%s%s |%s|"):format(text.pad(labels[i], widest), text.pad(count, digits, true),
			text.pad(bar, BAR))
	end
end

--- Pairs of a line: "comm=ls count=12".
---@param row table
---@param columns { name: string }[]
---@return string[] words
function draw.words(row, columns)
	local words <const> = {}
	for _, column in ipairs(columns) do
		words[#words + 1] = ("%s=%s"):format(text.escape(column.name), draw.value(row[column.name], column))
	end
	return words
end

local function in_cell(bytes)
	return bytes == "" and '""' or text.escape(bytes)
end

local function aligned(rows, columns)
	local cells <const>, lines <const> = {}, {}
	local function add(column, right)
		local cell <const> = { text.escape(draw.header(column)), right = right }
		local widest = text.width(cell[1])
		for i, row in ipairs(rows) do
			cell[i + 1] = draw.value(row[column.name], column, in_cell)
			widest = math.max(widest, text.width(cell[i + 1]))
		end
		cell.width = widest
		cells[#cells + 1] = cell
	end
	for _, column in ipairs(columns.keys) do add(column, false) end
	for _, column in ipairs(columns.values) do add(column, true) end
	for i = 1, #rows + 1 do
		local words <const> = {}
		for at, cell in ipairs(cells) do words[at] = text.pad(cell[i], cell.width, cell.right) end
		lines[i] = table.concat(words, "  "):gsub(" +$", "")
	end
	return table.concat(lines, "\n")
end

-- Those of a row that are there; when none is, the first, so that one sees it.
local function present(row, stacks)
	local list <const> = {}
	for _, column in ipairs(stacks) do
		if row[column.name] then list[#list + 1] = column end
	end
	return #list > 0 and list or { stacks[1] }
end

local function block(row, plain, stacks, histograms)
	local lines <const> = {}
	if #plain > 0 then lines[1] = table.concat(draw.words(row, plain), " ") end
	for _, column in ipairs(present(row, stacks)) do
		lines[#lines + 1] = text.escape(column.name)
		draw.stack(lines, row[column.name], "    ")
	end
	for _, column in ipairs(histograms) do
		lines[#lines + 1] = text.escape(draw.header(column))
		draw.histogram(lines, row[column.name], column.kind ~= nil)
	end
	return table.concat(lines, "\n")
end

-- Without the columns that are there only where they say something.
local function telling(rows, list)
	local kept <const> = {}
	for _, column in ipairs(list) do
		local tells = not column.sparse
		for _, row in ipairs(rows) do tells = tells or (row[column.name] or 0) ~= 0 end
		if tells then kept[#kept + 1] = column end
	end
	return kept
end

--- Rows of aggregates: an aligned table, or, where there are histograms or stacks, a block for each row.
---@param rows table[]
---@param columns crumb.Columns
---@return string
function draw.rows(rows, columns)
	if #rows == 0 then return "(no rows)" end
	local plain <const>, stacks <const>, histograms <const>, blocks <const> = {}, {}, {}, {}
	for _, column in ipairs(columns.keys) do
		local list <const> = STACKS[column.kind] and stacks or plain
		list[#list + 1] = column
	end
	for _, column in ipairs(columns.values) do
		local list <const> = HISTOGRAMS[column.op] and histograms or plain
		list[#list + 1] = column
	end
	if #stacks + #histograms == 0 then return aligned(rows, { keys = columns.keys, values = telling(rows, columns.values) }) end
	for i, row in ipairs(rows) do blocks[i] = block(row, plain, stacks, histograms) end
	return table.concat(blocks, "\n\n")
end

return draw
