-- Authorisations: a half ref is pending, is redeemed once, and is remembered for a while. Its states are
-- 'pending', 'spent', 'expired' and 'revoked'.

-- A half ref as it is stored. `expires` is when it can no longer be redeemed, where it is pending, and
-- otherwise when it is forgotten. What a pending one becomes when its time is over follows from that, so
-- nothing is written then.
local STORED = '>BI8Bc0Bc0I4c0'
local STATES = { 'pending', 'spent', 'expired', 'revoked' }
local STATE_NUMBERS = { pending = 1, spent = 2, expired = 3, revoked = 4 }

local function decode(packed)
    if not packed then
        return nil
    end
    local it, state = {}, nil
    state, it.expires, it.device, it.token, it.link = struct.unpack(STORED, packed)
    it.state = STATES[state]
    if it.state == 'pending' and it.expires <= now then
        it.state, it.expires = 'expired', it.expires + LIMITS.half_ref_memory
    end
    if it.state ~= 'pending' and it.expires <= now then
        return nil -- also before a gateway removes it
    end
    return it
end

function Authorisations.find(half_ref)
    return decode(redis.call('GET', key('half-ref', half_ref)))
end

-- Stores a half ref that is forgotten at this time.
local function store(half_ref, state, device, expires, forgotten, token, link)
    local packed = struct.pack(
        STORED, STATE_NUMBERS[state], expires, #device, device, #token, token, #link, link
    )
    redis.call('SET', key('half-ref', half_ref), packed, 'PX', text(forgotten - now + SAFETY_TTL))
    table.insert(half_ref_deadlines, text(forgotten))
    table.insert(half_ref_deadlines, half_ref)
end

-- Open authorisations as the record has them, one after the other, the oldest first: when each expires, and its
-- half ref.
local PENDING, PENDING_SIZE, EXPIRES_SIZE = '>I8c32', 40, 8

-- Takes the half ref out of the record's open authorisations.
local function take_from_record(device, record, half_ref)
    local pending = record.pending
    for place = 1, #pending, PENDING_SIZE do
        if string.sub(pending, place + EXPIRES_SIZE, place + PENDING_SIZE - 1) == half_ref then
            record.pending = string.sub(pending, 1, place - 1) .. string.sub(pending, place + PENDING_SIZE)
            Records.touch(device)
            break
        end
    end
end

local function forget(half_refs)
    local keys = {}
    for place, half_ref in ipairs(half_refs) do
        keys[place] = key('half-ref', half_ref)
    end
    redis.call('DEL', unpack(keys))
    redis.call('ZREM', key('due:half-refs'), unpack(half_refs))
end

-- Writes down when half refs are forgotten. At most so many that have ended are remembered: they come before
-- all that are pending, because they are forgotten before.
function Authorisations.store_deadlines()
    if #half_ref_deadlines == 0 then
        return
    end
    local due, limit = key('due:half-refs'), LIMITS.remembered_half_refs
    for first = 1, #half_ref_deadlines, 2 * BATCH do
        local last = math.min(first + 2 * BATCH - 1, #half_ref_deadlines)
        redis.call('ZADD', due, unpack(half_ref_deadlines, first, last))
    end
    if redis.call('ZCARD', due) > limit then
        local extra = redis.call('ZCOUNT', due, '-inf', text(now + LIMITS.half_ref_memory)) - limit
        if extra > 0 then
            forget(redis.call('ZRANGE', due, 0, math.min(extra, BATCH) - 1))
        end
    end
end

-- The half ref can no longer be redeemed. It is remembered for a while, so that a replay can be told from an
-- unknown half ref.
function Authorisations.finish(half_ref, device, state)
    local record = Records.load(device)
    if record then
        take_from_record(device, record, half_ref)
    end
    local forgotten = now + LIMITS.half_ref_memory
    store(half_ref, state, device, forgotten, forgotten, '', '')
end

-- Removes the half refs whose time is over, up to `at_most`; returns how many.
function Authorisations.forget_due(at_most)
    local due = redis.call('ZRANGE', key('due:half-refs'), '-inf', now, 'BYSCORE', 'LIMIT', 0, at_most)
    if #due > 0 then
        forget(due)
    end
    return #due
end

-- The record's open authorisations, each with its half ref. Those whose time is over stay in the record
-- until there is need for their room.
function Authorisations.pending(device, record)
    local pending = {}
    for place = 1, #record.pending, PENDING_SIZE do
        local expires, half_ref = struct.unpack(PENDING, record.pending, place)
        local found = expires > now and Authorisations.find(half_ref)
        -- After data was lost, it may be another device's.
        if found and found.state == 'pending' and found.device == device then
            table.insert(pending, { half_ref, found })
        end
    end
    return pending
end

-- Forgets the half refs of a device that ended up to `ended`, among a batch of all that are remembered.
-- Returns the cursor to continue from; '0' where it is done.
function Authorisations.erase(device, cursor, ended)
    local scanned, half_refs, keys = redis.call('ZSCAN', key('due:half-refs'), cursor, 'COUNT', BATCH), {}, {}
    for place = 1, #scanned[2], 2 do
        local half_ref, forgotten = scanned[2][place], tonumber(scanned[2][place + 1])
        if forgotten <= ended + LIMITS.half_ref_memory then
            table.insert(half_refs, half_ref)
            table.insert(keys, key('half-ref', half_ref))
        end
    end
    local of_device = {}
    for place, packed in ipairs(#keys > 0 and redis.call('MGET', unpack(keys)) or {}) do
        local found = decode(packed)
        if found and found.device == device and found.state ~= 'pending' then
            table.insert(of_device, half_refs[place])
        end
    end
    if #of_device > 0 then
        forget(of_device)
    end
    return scanned[1]
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

-- Makes room for one more open authorisation: the oldest ends as if it had expired.
local function replace_oldest(device, record)
    while #record.pending >= math.max(LIMITS.open_authorisations, 1) * PENDING_SIZE do
        local expires, half_ref = struct.unpack(PENDING, record.pending)
        record.pending = string.sub(record.pending, PENDING_SIZE + 1)
        if expires > now then
            Authorisations.finish(half_ref, device, 'expired')
        end
    end
end

-- Uses a token for its device, whose record and token were read as they are stored. Returns the record and
-- its rate after this authorisation; or nil and why the request is refused.
local function use_token(token, device, found_token, found_record)
    local owner, expires = Tokens.decode(found_token)
    if not owner then
        return nil, 'unknown'
    elseif expires <= now then
        return nil, 'expired'
    elseif owner ~= device then
        return nil, 'device-mismatch'
    end
    local record = Records.decode(device, found_record)
    if not record then
        return nil, 'unknown'
    end
    Tokens.use(device, record, token)
    local wait, rate = counted_rate(record)
    if wait then
        return nil, { 'too-many', wait }
    end
    return record, rate
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
        return 'half-ref-foreign'
    end
    local known = decode(found[2])
    if known then
        if known.device ~= device then
            return 'half-ref-foreign'
        elseif known.state == 'spent' then
            return 'half-ref-spent'
        end
        take_from_record(device, record, half_ref)
    end
    replace_oldest(device, record)
    local expires = now + LIMITS.authorisation_ttl
    store(half_ref, 'pending', device, expires, expires + LIMITS.half_ref_memory, token, link)
    record.pending = record.pending .. struct.pack(PENDING, expires, half_ref)
    return 'ok'
end)

-- What an authorisation would be refused for, whatever its half ref: before that has a pointer in another
-- partition, so that none is made for a request that is refused.
Call.operation('check_authorisation', WRITE_LOSABLE, function(token, device)
    local found = redis.call('MGET', key('token', token), key('device', device))
    local record, refused = use_token(token, device, found[1], found[2])
    return record and 'ok' or refused
end)

-- Whether a half ref is pending or remembered here.
Call.operation('knows_half_ref', READ, function(half_ref)
    return Authorisations.find(half_ref) and 'known' or 'unknown'
end)

Call.operation('redeem', WRITE, function(half_ref, connection)
    local found = Authorisations.find(half_ref)
    if not found then
        return 'unknown'
    elseif found.state ~= 'pending' then
        return found.state
    end
    local device, link = found.device, found.link
    local record = Records.load(device)
    if not record then
        return 'unknown'
    end
    local data = Records.description(device, record)
    if not Events.has_room_for_socket(device, record, connection, link, data) then
        return 'events-full'
    end
    local token = Tokens.binding(record, found.token)
    Authorisations.finish(half_ref, device, 'spent')
    if record.socket then
        Sockets.finish(device, record, END_REASON.superseded)
    end
    Sockets.open(device, record, {
        connection = connection, gateway = caller, since = now, link = link, token = token,
    }, data)
    return { 'ok', device, record.epoch, link }
end)
