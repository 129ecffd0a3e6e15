--- bashreadline: what is typed at bash's prompts.

local OWN <const>, SHARED <const> = 1, 2

-- Names by their numbers, as far as this machine's own file has them.
local function users()
	local names <const>, file <close> = {}, io.open "/etc/passwd"
	for line in file and file:lines() or function() end do
		local name <const>, uid <const> = line:match "^([^:]+):[^:]*:(%d+):"
		if name then names[math.tointeger(uid)] = name end
	end
	return names
end

return {
	summary = "Shows lines that are typed at bash's prompts.",
	example = "crumb bashreadline",
	options = function(parser, read)
		parser:option "--shell":argname "PATH":convert(read.file):description "The bash that is meant: otherwise /bin/bash."
	end,
	run = function(session, given)
		local names <const>, shell <const> = users(), given.shell or "/bin/bash"
		session:probe {
			-- A bash with a readline of its own; or one that shares the library with others, who are not meant.
			either = { ("uretprobe:%s:readline"):format(shell), "uretprobe:libreadline:readline" },
			cookie = function(site) return site.target:find "^uretprobe:libreadline:" and SHARED or OWN end,
			where = "retval ~= 0 and (cookie == $own or comm == $shell)",
			params = { own = OWN, shell = shell:match "[^/]*$" },
			capture = { line = "str(retval, 1024)" },
			handler = function(event)
				event.user = names[event.uid] or event.uid
				session:show(event)
			end,
		}
	end,
}
