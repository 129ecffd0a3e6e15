--- lazy: a module that is read at its first use: most scripts need few of them, and start sooner.

---@param name string as for require
---@return table module stands for it
return function(name)
	return setmetatable({}, {
		lazy = name, __index = function(_, key) return require(name)[key] end,
	})
end
