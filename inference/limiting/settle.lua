-- Ends slots, and takes more or less than was taken. KEYS: a rule each. ARGV: whose
-- slots, parted by spaces, then for each rule its limit, its window (us; 0: slots) and
-- the difference.

for number, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[number * 3 - 1]), tonumber(ARGV[number * 3])
  if window == 0 then
    for id in string.gmatch(ARGV[1], '%S+') do redis.call('ZREM', key, id) end
  else
    local delta = tonumber(ARGV[number * 3 + 1])
    keep(key, level_of(key, limit, window) + delta * window, limit)
  end
end
return 1
