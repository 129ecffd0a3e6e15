--- forms: what was written as JSON and CSV, read by rules that are not the command's own.
local forms <const> = {}

local found <const>, dkjson <const> = pcall(require, "dkjson")

--- Whether there is a reader of JSON.
forms.has_json = found

--- The objects of text that has one a line. Raises what is wrong with a line.
---@param text string
---@return table[]
function forms.json(text)
	local objects <const> = {}
	for line in text:gmatch "([^\n]*)\n" do
		local object <const>, last <const>, message <const> = dkjson.decode(line, 1, forms.null)
		if type(object) ~= "table" or last <= #line then error(("no object: %s: %s"):format(line, message or last), 2) end
		objects[#objects + 1] = object
	end
	if text ~= "" and text:sub(-1) ~= "\n" then error("the last line has no end: " .. text:match "[^\n]*$", 2) end
	return objects
end

-- What stands in its place in objects.
forms.null = setmetatable({}, { __tostring = function() return "null" end })

-- One value, and where what follows it begins.
local function value_at(line, at)
	if line:sub(at, at) ~= '"' then return line:match("^([^,\"]*)()", at) end
	local parts <const> = {}
	repeat
		local part <const>, after <const> = line:match('^"([^"]*)"()', at)
		if not part then error("a quote is not closed: " .. line, 0) end
		parts[#parts + 1], at = part, after
	until line:sub(at, at) ~= '"'
	return table.concat(parts, '"'), at
end

--- The values of a record.
---@param line string
---@return string[]
function forms.values(line)
	local values <const>, at = {}, 1
	repeat
		local value <const>, after <const> = value_at(line, at)
		local c <const> = line:sub(after, after)
		if c ~= "" and c ~= "," then error("no comma after a value: " .. line, 0) end
		values[#values + 1], at = value, after + 1
	until c == ""
	return values
end

--- The tables of CSV text, which are parted by empty lines: { header = names, … }, each record by name.
---@param text string
---@return table[]
function forms.csv(text)
	local tables <const>, one = {}, nil
	for line in text:gmatch "([^\n]*)\n" do
		if line == "" then
			one = nil
		elseif not one then
			one = { header = forms.values(line) }
			tables[#tables + 1] = one
		else
			local values <const>, record <const> = forms.values(line), {}
			if #values ~= #one.header then error(("%d values under %d names: %s"):format(#values, #one.header, line), 2) end
			for i, name in ipairs(one.header) do record[name] = values[i] end
			one[#one + 1] = record
		end
	end
	return tables
end

return forms
