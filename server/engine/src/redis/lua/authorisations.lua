-- Authorisations: a half ref is pending, is redeemed once, and is remembered for a while. Its states are
-- 'pending', 'spent', 'expired' and 'revoked'.

-- A half ref as it is stored. `expires` is when it can no longer be redeemed, or is forgotten.
local function decode(packed)
    if not packed then
        return nil
    end
    local it = cmsgpack.unpack(packed)
    return { device = it[1], state = it[2], expires = it[3], token = it[4], link = it[5] }
end

function Authorisations.find(half_ref)
    return decode(redis.call('GET', key('half-ref', half_ref)))
end

local function store(half_ref, it)
    local packed = cmsgpack.pack({ it.device, it.state, it.expires, it.token or '', it.link or '' })
    local ttl = it.expires - now + LIMITS.half_ref_memory + SAFETY_TTL
    redis.call('SET', key('half-ref', half_ref), packed, 'PX', ttl)
end

-- Takes the half ref out of the record's open authorisations.
local function take_from_record(device, record, half_ref)
    for place, it in ipairs(record.pending) do
        if it[1] == half_ref then
            table.remove(record.pending, place)
            Records.touch(device)
            break
        end
    end
end

-- The half ref can no longer be redeemed. It is remembered for a while, so that a replay can be told from an
-- unknown half ref.
function Authorisations.finish(half_ref, it, state)
    local record = Records.load(it.device)
    if record then
        take_from_record(it.device, record, half_ref)
    end
    if it.expires <= now then
        state = 'expired' -- also before a gateway expires it
    end
    redis.call('ZREM', key('due:authorisations'), half_ref)
    it.state, it.expires, it.token, it.link = state, now + LIMITS.half_ref_memory, nil, nil
    store(half_ref, it)
    redis.call('ZADD', key('due:half-refs'), it.expires, half_ref)
    if redis.call('ZCARD', key('due:half-refs')) > LIMITS.remembered_half_refs then
        local oldest = redis.call('ZPOPMIN', key('due:half-refs'))
        redis.call('DEL', key('half-ref', oldest[1]))
    end
end

-- The authorisation's time is over.
function Authorisations.expire(half_ref)
    redis.call('ZREM', key('due:authorisations'), half_ref)
    local found = Authorisations.find(half_ref)
    if found and found.state == 'pending' then
        Authorisations.finish(half_ref, found, 'expired')
    end
end

-- The time for which the half ref is remembered is over.
function Authorisations.forget(half_ref)
    redis.call('ZREM', key('due:half-refs'), half_ref)
    redis.call('DEL', key('half-ref', half_ref))
end

-- The device's rate of authorisations: the twin of engine/src/rate.rs, with a burst of one second.
-- Returns how long to wait, in microseconds, where the rate is exceeded; otherwise nil and the rate after
-- this one.
local function counted_rate(record)
    local at = now * 1000
    local counted = math.max(record.rate, at) + LIMITS.authorisation_interval
    local wait = counted - at - LIMITS.authorisation_burst
    if wait > 0 then
        return wait
    end
    return nil, counted
end

-- Makes room for one more open authorisation: the oldest ends as if it had expired. Those that have
-- expired are the first to go.
local function replace_oldest(record)
    while #record.pending >= math.max(LIMITS.open_authorisations, 1) do
        local oldest = record.pending[1][1]
        local found = Authorisations.find(oldest)
        if found and found.state == 'pending' then
            Authorisations.finish(oldest, found, 'expired')
        else
            table.remove(record.pending, 1)
        end
    end
end

-- Uses a token for its device, whose record and token were read as they are stored. Returns the record and
-- its rate after this authorisation; or nil and why the request is refused.
local function use_token(token, device, found_token, found_record)
    local owner, expires = Tokens.decode(found_token)
    if not owner then
        return nil, { 'unknown' }
    elseif expires <= now then
        return nil, { 'expired' }
    elseif owner ~= device then
        return nil, { 'device-mismatch' }
    end
    local record = Records.decode(device, found_record)
    if not record then
        return nil, { 'unknown' }
    end
    Tokens.use(device, record, token)
    local wait, rate = counted_rate(record)
    if wait then
        return nil, { 'too-many', wait }
    end
    return record, rate
end

-- Whether the half ref that was stored is forgotten.
local function is_forgotten(it)
    return it.state ~= 'pending' and it.expires <= now
end

-- The most frequent operation, so it reads everything at once. Its writes are not counted as writes
-- that must not be lost: if they are, the prospect asks again. `foreign` says that the half ref is of a
-- device in another partition.
Call.operation('authorise', WRITE_LOSABLE, function(token, device, half_ref, link, foreign)
    local found = redis.call('MGET', key('token', token), key('half-ref', half_ref), key('device', device))
    local record, rate = use_token(token, device, found[1], found[3])
    if not record then
        return rate
    end
    record.rate = rate
    Records.touch(device)
    if foreign == 'foreign' then
        return { 'half-ref-foreign' }
    end
    local known = decode(found[2])
    if known and not is_forgotten(known) then
        if known.device ~= device then
            return { 'half-ref-foreign' }
        elseif known.state == 'spent' then
            return { 'half-ref-spent' }
        end
    end
    if known then
        take_from_record(device, record, half_ref)
    end
    replace_oldest(record)
    if known and known.state ~= 'pending' then
        redis.call('ZREM', key('due:half-refs'), half_ref)
    end
    local expires = now + LIMITS.authorisation_ttl
    store(half_ref, { device = device, state = 'pending', expires = expires, token = token, link = link })
    redis.call('ZADD', key('due:authorisations'), expires, half_ref)
    table.insert(record.pending, { half_ref, expires })
    Records.touch(device)
    return { 'ok' }
end)

-- What an authorisation would be refused for, whatever its half ref: before that has a pointer in another
-- partition, so that none is made for a request that is refused.
Call.operation('check_authorisation', WRITE_LOSABLE, function(token, device)
    local found = redis.call('MGET', key('token', token), key('device', device))
    local record, refused = use_token(token, device, found[1], found[2])
    return record and { 'ok' } or refused
end)

-- Whether a half ref is pending or remembered here.
Call.operation('knows_half_ref', READ, function(half_ref)
    local found = Authorisations.find(half_ref)
    return { found and not is_forgotten(found) and 'known' or 'unknown' }
end)

Call.operation('redeem', WRITE, function(half_ref, connection)
    local found = Authorisations.find(half_ref)
    if not found then
        return { 'unknown' }
    elseif found.expires <= now then
        -- What is due counts as ended, also before a gateway expires it.
        return { found.state == 'pending' and 'expired' or 'unknown' }
    elseif found.state ~= 'pending' then
        return { found.state }
    end
    local device, link = found.device, found.link
    local record = Records.load(device)
    if not record then
        return { 'unknown' }
    end
    local data = Records.description(device, record)
    if not Events.has_room_for_socket(device, record, connection, link, data) then
        return { 'events-full' }
    end
    local token = Tokens.binding(record, found.token)
    Authorisations.finish(half_ref, found, 'spent')
    if record.socket then
        Sockets.finish(device, record, END_REASON.superseded)
    end
    Sockets.open(device, record, {
        connection = connection, gateway = caller, since = now, link = link, token = token,
    }, data)
    return { 'ok', device, record.epoch, link }
end)
