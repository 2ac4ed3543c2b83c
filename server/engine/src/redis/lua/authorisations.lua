-- A half ref waits, is redeemed once, and is remembered for a while.

-- The device's rate, by the generic cell rate algorithm with a burst of one second; gives how long
-- to wait, in microseconds, where it is too high.
local function count_authorisation(device, record)
    local at = now * 1000
    local ahead = math.max(record.rate - at, 0)
    local burst = 1000000 - LIMITS.authorisation_interval
    if ahead > burst then
        return ahead - burst
    end
    record.rate = math.max(record.rate, at) + LIMITS.authorisation_interval
    touch(device)
end

-- How long until there is a place to wait, where there is none.
local function no_room_to_wait(record)
    local open, first = 0, nil
    for _, waiting in ipairs(record.waiting) do
        if waiting[2] > now then
            open, first = open + 1, math.min(first or waiting[2], waiting[2])
        end
    end
    return open >= LIMITS.open_authorisations and first - now or nil
end

-- The most frequent action, which therefore reads all at once. What it changes may be lost: then the
-- prospect asks again.
action('authorise', ASKS, function(token, device, half_ref, link)
    local found = redis.call('MGET', key('token', token), key('half-ref', half_ref), key('device', device))
    local owner, expires = found_token(found[1])
    if not owner then
        return { 'unknown' }
    elseif expires <= now then
        return { 'expired' }
    elseif owner ~= device then
        return { 'device-mismatch' }
    end
    local record = found_record(device, found[3])
    if not record then
        return { 'unknown' }
    end
    -- The first use of a claim's newest token ends the one before it.
    if record.claimed and #record.tokens > 1 and token == newest_token(record) then
        drop_token(device, record, record.tokens[1])
    end
    local wait = count_authorisation(device, record)
    if wait then
        return { 'too-many', wait }
    end
    local known = found_half_ref(found[2])
    local waits = known and known.state == 'waiting' and known.ends > now
    local forgotten = known and known.state ~= 'waiting' and known.ends <= now
    if known and not forgotten then
        if known.device ~= device then
            return { 'half-ref-foreign' }
        elseif known.state == 'spent' then
            return { 'half-ref-spent' }
        end
    end
    if not waits then
        wait = no_room_to_wait(record)
        if wait then
            return { 'full', wait }
        end
    end
    if known then
        waits_no_longer(device, record, half_ref)
    end
    if known and known.state ~= 'waiting' then
        redis.call('ZREM', key('due:remembered'), half_ref)
    end
    local ends = now + LIMITS.authorisation_ttl
    keep_half_ref(half_ref, { device = device, state = 'waiting', ends = ends, token = token, link = link })
    redis.call('ZADD', key('due:waiting'), ends, half_ref)
    table.insert(record.waiting, { half_ref, ends })
    touch(device)
    return { 'ok' }
end)

action('redeem', CHANGES, function(half_ref, connection)
    local known = half_ref_of(half_ref)
    if not known then
        return { 'unknown' }
    elseif known.ends <= now then
        -- What is due is seen as ended, whether somebody came to end it yet or not.
        return { known.state == 'waiting' and 'expired' or 'unknown' }
    elseif known.state ~= 'waiting' then
        return { known.state }
    elseif events_full(known.device) then
        return { 'events-full' }
    end
    local device, link = known.device, known.link
    local record = load(device)
    if not record then
        return { 'unknown' }
    end
    local token = bound_to(record, known.token)
    end_waiting(half_ref, known, 'spent')
    if record.socket then
        end_socket(device, record, SUPERSEDED)
    end
    record.socket = { connection = connection, gateway = me, since = now, link = link, token = token }
    record.last = nil
    touch(device)
    redis.call('ZADD', key('connected'), 0, device)
    redis.call('SADD', key('sockets', me), device)
    redis.call('PEXPIRE', key('sockets', me), LIMITS.lease + NET)
    event('connected', device, connection, link)
    return { 'ok', device, record.epoch, link }
end)

-- Closes sockets with one number of the gateway: each is a device and its connection.
action('close', MAKES_ROOM, function(code, ...)
    local asked = { ... }
    for place = 1, #asked, 2 do
        local device = asked[place]
        local record = record_of(device, asked[place + 1])
        if record then
            socket_ended(device, record, code)
            keep_after(device, record, now)
        end
    end
    return { 'ok' }
end)
