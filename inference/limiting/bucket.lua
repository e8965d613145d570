-- The level of a flow in a string: level, instant (us), limit. See `gcra.py`, which
-- says the same in integers; here they are doubles, exact up to 2^53.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- It is kept until it has drained: then it is as if it had never been.
local function keep(key, level, limit)
  if level <= 0 then return redis.call('DEL', key) end
  local kept = string.format('%.0f %.0f %.0f', level, now, limit)
  local life = string.format('%.0f', math.ceil(level / limit / 1000) + 1)
  return redis.call('SET', key, kept, 'PX', life)
end

local function level_of(key, limit, window)
  local kept = redis.call('GET', key)
  if not kept then return 0 end
  local level, at, before = string.match(kept, '^(%S+) (%S+) (%S+)$')
  level, at, before = tonumber(level), tonumber(at), tonumber(before)
  -- After the clock was set back it drains from now on, not from when that was.
  if at > now then keep(key, level, before) end
  level = math.max(0, level - before * math.max(0, now - at))
  if before == limit then return level end
  if level > before * window then return limit * window + level - before * window end
  return math.ceil(level * limit / before)
end
