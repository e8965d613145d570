-- One process's tick over one pool. It says what runs there from it, how many slots it
-- keeps until it is answered, what waits and what its tenants were charged. It is told
-- how many slots are its own, how many it should come down to, who waits elsewhere, and
-- what those tenants were charged in all. KEYS: the processes; the counters of each
-- class. ARGV: what it says, in JSON. See `leases.py`.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said = cjson.decode(ARGV[1])

-- Those that live, and the claims of those that were heard of lately.
local others, claims = {}, {}
local before = {levels = {}}

local function put(owner, name)
  for _, each in ipairs(owner.claims) do
    table.insert(claims, {
      class = each[1], counter = each[2], step = each[3], waiting = each[4],
      owner = owner, name = name, is_own = name == said.id,
    })
  end
end

local known = redis.call('HGETALL', KEYS[1])
for at = 1, #known, 2 do
  local name, other = known[at], cjson.decode(known[at + 1])
  if name == 'levels' then
    before.levels = other
  elseif name == said.id then
    -- It came late, by a connection that is no more.
    if other.seq >= said.seq then return '' end
  elseif other.ends <= now then
    redis.call('HDEL', KEYS[1], name)
  else
    table.insert(others, other)
    if now - other.at < said.fresh then put(other, name) end
  end
end
put(said, said.id)

-- The level of a class is that of the first who waits, and never falls.
local levels = {}
for class = 0, #KEYS - 2 do
  local least
  for _, each in ipairs(claims) do
    if each.class == class then least = math.min(least or each.counter, each.counter) end
  end
  least = least or said.levels[class + 1]
  levels[class + 1] = math.max(before.levels[class + 1] or 0, least)
end

-- A tenant that was idle is lifted where it waits; that shows in where it says it was.
local counters, touched = {}, {}
for number, each in ipairs(said.spent) do
  local class, tenant, was, spent = each[1], each[2], each[3], each[4]
  local key, level = KEYS[2 + class], levels[class + 1]
  local counter = tonumber(redis.call('ZSCORE', key, tenant) or was)
  local lifted = math.min(was, level)
  if counter < lifted - said.slack[class + 1] then counter = lifted end
  counters[number] = counter + spent
  redis.call('ZADD', key, string.format('%.3f', counter + spent), tenant)
  touched[class] = key
end
for class, key in pairs(touched) do
  local idle = levels[class + 1] - said.slack[class + 1]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.3f', idle))
  redis.call('PEXPIRE', key, said.life)
end

-- What is free of each replica: nobody but this process gets any of it now.
local free, given, target, granted, mine = {}, {}, {}, {}, 0
for replica, own in pairs(said.replicas) do
  free[replica], given[replica] = own[1] - own[3], 0
  for _, other in ipairs(others) do
    local theirs = other.replicas[replica]
    if theirs then free[replica] = free[replica] - theirs[3] end
  end
end

local function most_free()
  local found
  for replica, slots in pairs(free) do
    if slots > 0 and (not found or slots > free[found]) then found = replica end
  end
  return found
end

-- Of equals it is the same whoever looks: else each would leave it to the other.
local function is_before(one, other)
  if one.class ~= other.class then return one.class > other.class end
  if one.counter ~= other.counter then return one.counter < other.counter end
  return one.name < other.name
end

-- A claim counts for a replica that its process takes for well.
local function first_claim(replica)
  local found
  for _, each in ipairs(claims) do
    local theirs = each.owner.replicas[replica]
    if each.waiting > 0 and theirs and theirs[1] > 0
        and (not found or is_before(each, found)) then
      found = each
    end
  end
  return found
end

local left = {}
local replica = most_free()
while replica do
  local first = first_claim(replica)
  if first then
    first.waiting, first.counter = first.waiting - 1, first.counter + first.step
    if first.is_own then
      given[replica], mine = given[replica] + 1, mine + 1
    end
    free[replica] = free[replica] - 1
  else
    left[replica], free[replica] = free[replica], 0
  end
  replica = most_free()
end

-- What nobody waits for is spread by what runs, so that requests find places at once.
local waits = false
for _, each in ipairs(claims) do waits = waits or not each.is_own or each.waiting > 0 end
local weights = said.weight
for _, other in ipairs(others) do weights = weights + other.weight end
for replica, own in pairs(said.replicas) do
  local spare, all = own[3] - own[2], left[replica] or 0
  target[replica] = own[2] + given[replica]
  if not waits then
    for _, other in ipairs(others) do
      local theirs = other.replicas[replica]
      if theirs then all = all + theirs[3] - theirs[2] end
    end
    local share = math.floor((all + spare) * said.weight / weights)
    target[replica] = target[replica] + share
    local more = math.max(0, math.min(share - spare, left[replica] or 0))
    given[replica] = given[replica] + more
  end
  -- Where too many are held, as when slots were taken away, fewer are.
  granted[replica] = math.max(0, own[3] + given[replica] + math.min(0, free[replica]))
  own[3] = own[3] + given[replica]
end

-- Of its own claims, what was given now waits no more.
local elsewhere, own_claims = {}, {}
for _, each in ipairs(claims) do
  if each.waiting > 0 then
    table.insert(each.is_own and own_claims or elsewhere,
      {each.class, each.counter, each.step, each.waiting})
  end
end

redis.call('HSET', KEYS[1], 'levels', cjson.encode(levels), said.id, cjson.encode({
  seq = said.seq, at = now, ends = now + said.ttl, weight = said.weight,
  replicas = said.replicas, claims = own_claims,
}))
redis.call('PEXPIRE', KEYS[1], said.life)
return cjson.encode({
  granted = granted, target = target, claims = elsewhere, levels = levels,
  counters = counters, allowed = mine,
})
