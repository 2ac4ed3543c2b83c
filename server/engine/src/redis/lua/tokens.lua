-- Tokens: who gets one, by the rules of channel and claim, and how each ends.

-- The device and the time of expiry of a token as it is stored.
function Tokens.decode(found)
    if not found then
        return nil
    end
    local expires, device = string.match(found, '^(%d+) (.*)$')
    return device, tonumber(expires)
end

function Tokens.find(token)
    return Tokens.decode(redis.call('GET', key('token', token)))
end

local function add(device, record, token)
    local expires = now + LIMITS.token_ttl
    table.insert(record.tokens, token)
    Records.touch(device)
    State.extend_record(device, record, expires)
    redis.call('SET', key('token', token), expires .. ' ' .. device, 'PX', record.expires - now + SAFETY_TTL)
    redis.call('ZADD', key('due:tokens'), expires, token)
end

local function drop(device, record, token)
    for place, known in ipairs(record.tokens) do
        if known == token then
            table.remove(record.tokens, place)
            break
        end
    end
    Records.touch(device)
    redis.call('DEL', key('token', token))
    redis.call('ZREM', key('due:tokens'), token)
end

-- The newest token, and the one before it where that is still good.
local function newest_and_before(record)
    local count = #record.tokens
    return record.tokens[count], count > 1 and record.tokens[1] or nil
end

-- The token that an authorisation or a socket depends on: of a claim, always the newest, so that a
-- renewal moves them to the new token.
function Tokens.binding(record, token)
    return record.claimed and newest_and_before(record) or token
end

-- The first use of a claim's newest token ends the one before it.
function Tokens.use(device, record, token)
    local newest, before = newest_and_before(record)
    if record.claimed and before and token == newest then
        drop(device, record, before)
    end
end

-- Ends the socket and the open authorisations that depend on the token.
local function end_dependants(device, record, token, reason)
    if record.socket and Tokens.binding(record, record.socket.token) == token then
        Sockets.finish(device, record, reason)
        State.extend_record(device, record, now)
    end
    local ended = {}
    for _, it in ipairs(record.pending) do
        local half_ref = it[1]
        local found = Authorisations.find(half_ref)
        if found and Tokens.binding(record, found.token) == token then
            table.insert(ended, { half_ref, found })
        end
    end
    local state = reason == END_REASON.token_expired and 'expired' or 'revoked'
    for _, it in ipairs(ended) do
        Authorisations.finish(it[1], it[2], state)
    end
end

-- The token's time is over. It stays known as expired until its record ends.
function Tokens.expire(token)
    redis.call('ZREM', key('due:tokens'), token)
    local device = Tokens.find(token)
    local record = device and Records.load(device)
    if record then
        end_dependants(device, record, token, END_REASON.token_expired)
    end
end

-- Makes `token` the newest and keeps the one that the device is known to have.
local function renew(device, record, token, kept, dropped)
    if dropped then
        drop(device, record, dropped)
    end
    record.tokens = { kept }
    add(device, record, token)
    return { 'ok' }
end

Call.operation('request_token', WRITE, function(device, requester, shown, token, epoch)
    local record = Records.load(device)
    if record and record.claimed then
        local newest, before = newest_and_before(record)
        if requester == 'operator' then
            -- While there is one before it, the newest may not have reached the device; the one
            -- that the device has used stays good.
            return renew(device, record, token, before or newest, before and newest)
        elseif requester == 'claim' and shown == newest then
            return renew(device, record, token, newest, before)
        elseif requester == 'claim' and before and shown == before then
            -- The reply with the newest was lost: the device still has the one before it.
            return renew(device, record, token, before, newest)
        end
        return { 'device-claimed' }
    end
    if requester == 'test' then
        record = record or State.new_record(device, epoch, false)
        if not record then
            return { 'devices-full' }
        end
        if #record.tokens >= LIMITS.test_tokens then
            local oldest = record.tokens[1]
            drop(device, record, oldest)
            end_dependants(device, record, oldest, END_REASON.revoked)
        end
    else
        if record then
            State.delete_record(device, record)
        end
        record = State.new_record(device, epoch, true)
        if not record then
            return { 'devices-full' }
        end
    end
    add(device, record, token)
    return { 'ok' }
end)

Call.operation('check_token', READ, function(token)
    local device, expires = Tokens.find(token)
    if not device then
        return { 'unknown' }
    end
    return { expires <= now and 'expired' or 'ok' }
end)

Call.operation('revoke_token', MAKE_ROOM, function(token)
    local device = Tokens.find(token)
    local record = device and Records.load(device)
    if record and not record.claimed and #record.tokens > 1 then
        drop(device, record, token)
        end_dependants(device, record, token, END_REASON.revoked)
    elseif record then
        State.delete_record(device, record)
    end
    return { 'ok' }
end)

-- Revokes a token that no client has. Where it is a claim's only one, no client could renew it, so
-- the record ends; where it is one of several, the others are good and it may stay.
Call.operation('revoke_unconfirmed', MAKE_ROOM, function(token)
    local device = Tokens.find(token)
    local record = device and Records.load(device)
    if record and #record.tokens == 1 then
        State.delete_record(device, record)
    end
    return { 'ok' }
end)
