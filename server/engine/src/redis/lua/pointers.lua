-- Pointers: which partition has the authorisation of a half ref. A half ref is found without its device,
-- so its pointer is in the partition of its own digest. There it is set before the device's partition
-- authorises, which keeps a half ref unique among all partitions. A pointer without an authorisation is
-- harmless, and ends by itself.

-- A pointer as it is stored: the partition, when another may take its place, and when it ends.
local function decode(found)
    if found then
        local partition, settles, expires = string.match(found, '^(%d+) (%d+) (%d+)$')
        return { partition = partition, settles = tonumber(settles), expires = tonumber(expires) }
    end
end

local function find(half_ref)
    local found = decode(redis.call('GET', key('pointer', half_ref)))
    return found and found.expires > now and found or nil
end

local function store(half_ref, it)
    local pointer = string.format('%s %.0f %.0f', it.partition, it.settles, it.expires)
    redis.call('SET', key('pointer', half_ref), pointer, 'PX', math.max(it.expires - now, 1) + SAFETY_TTL)
end

-- How long a pointer is kept: longer than its half ref is remembered, which ends a while after it expired
-- where no gateway was there to expire it in time.
local POINTER_TTL = LIMITS.authorisation_ttl + LIMITS.half_ref_memory + 60000

-- Points a half ref to a partition. A pointer to another one is replaced only where that is `replaced`,
-- which does not know the half ref, and where no call can be under way there that makes it known:
-- `settles_in` is how long one may take. Otherwise returns the partition, and whether it has settled.
Call.operation('point', POINT, function(half_ref, partition, replaced, settles_in)
    local found = find(half_ref)
    if found and found.partition ~= partition then
        local has_settled = found.settles <= now
        if not has_settled or found.partition ~= replaced then
            return { 'taken', tonumber(found.partition), has_settled and 1 or 0 }
        end
    end
    local expires = now + POINTER_TTL
    -- Later than before, so that it names this call.
    local settles = math.max(now + tonumber(settles_in), found and found.settles + 1 or 0)
    store(half_ref, { partition = partition, settles = settles, expires = expires })
    redis.call('ZADD', key('due:pointers'), expires, half_ref)
    if redis.call('ZCARD', key('due:pointers')) > POINTERS then
        redis.call('DEL', key('pointer', redis.call('ZPOPMIN', key('due:pointers'))[1]))
    end
    return { 'ok', settles }
end)

-- The call that set the pointer is over and has made nothing known: the pointer gives way at once.
Call.operation('settle', POINT, function(half_ref, partition, settles)
    local found = find(half_ref)
    if found and found.partition == partition and found.settles == tonumber(settles) then
        found.settles = now
        store(half_ref, found)
    end
    return 'ok'
end)

Call.operation('pointed', READ, function(half_ref)
    local found = find(half_ref)
    if not found then
        return 'unknown'
    end
    return { 'ok', tonumber(found.partition) }
end)

-- The pointer's time is over.
function Pointers.expire(half_ref)
    redis.call('ZREM', key('due:pointers'), half_ref)
    redis.call('DEL', key('pointer', half_ref))
end
