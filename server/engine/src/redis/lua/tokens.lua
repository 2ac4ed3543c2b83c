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

-- Adds a token as the newest; `request_key` is the idempotency key that it was requested with.
local function add(device, record, token, request_key)
    local expires = now + LIMITS.token_ttl
    table.insert(record.tokens, token)
    record.token_keys[token] = request_key
    Records.touch(device)
    State.extend_record(device, record, expires)
    redis.call('SET', key('token', token), expires .. ' ' .. device, 'PX', record.expires - now + SAFETY_TTL)
    redis.call('ZADD', key('due:tokens'), expires, token)
end

local function place_of(tokens, token)
    for place, known in ipairs(tokens) do
        if known == token then
            return place
        end
    end
end

local function drop(device, record, token)
    local place = place_of(record.tokens, token)
    if place then
        table.remove(record.tokens, place)
    end
    record.token_keys[token] = nil
    Records.touch(device)
    redis.call('DEL', key('token', token))
    redis.call('ZREM', key('due:tokens'), token)
end

-- Drops every token of a claim but this one.
local function keep_only(device, record, kept)
    for _, token in ipairs({ unpack(record.tokens) }) do
        if token ~= kept then
            drop(device, record, token)
        end
    end
end

local function newest(record)
    return record.tokens[#record.tokens]
end

-- The token that an authorisation or a socket depends on: of a claim, always the newest, so that a
-- renewal moves them to the new token.
function Tokens.binding(record, token)
    return record.claimed and newest(record) or token
end

-- The device has the token: an idempotency key gets no other in its place any more.
local function confirm(device, record, token)
    if record.token_keys[token] then
        record.token_keys[token] = nil
        Records.touch(device)
    end
end

-- A token is used. The first use of one of a claim's unused tokens ends all others.
function Tokens.use(device, record, token)
    if not record.claimed or Records.has_only_token(record, token) then
        return
    end
    confirm(device, record, token)
    if token ~= record.tokens[1] then
        keep_only(device, record, token)
    end
end

-- Ends the socket and the open authorisations that depend on the token.
local function end_dependants(device, record, token, reason)
    if record.socket and Tokens.binding(record, record.socket.token) == token then
        Sockets.finish(device, record, reason)
        State.extend_record(device, record, now)
    end
    local state = reason == END_REASON.token_expired and 'expired' or 'revoked'
    for _, it in ipairs(Authorisations.pending(device, record)) do
        if Tokens.binding(record, it[2].token) == token then
            Authorisations.finish(it[1], device, state)
        end
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

-- The unused token that was requested with this idempotency key.
local function requested_with(record, request_key)
    for token, its_key in pairs(record.token_keys) do
        if its_key == request_key then
            return token
        end
    end
end

-- Puts `token` in the place of one whose response was lost.
local function replace(device, record, replaced, token, request_key)
    local is_first = record.tokens[1] == replaced
    drop(device, record, replaced)
    add(device, record, token, request_key)
    if is_first then
        table.insert(record.tokens, 1, table.remove(record.tokens))
    end
end

-- Adds a token to the one that the device showed. Other unused ones stay, so that of two renewals at
-- once both are good.
local function renew(device, record, shown, token, request_key)
    Tokens.use(device, record, shown)
    add(device, record, token, request_key)
    if #record.tokens > 1 + LIMITS.unused_tokens then
        drop(device, record, record.tokens[2])
    end
end

-- Records what a request that was granted says of the device.
local function granted(device, record, requester, data)
    Records.describe(device, record, data)
    if requester ~= 'operator' then
        record.last_seen = now
    end
end

-- The idempotency key and the device data are empty where the request has none.
Call.operation('request_token', WRITE, function(device, requester, shown, request_key, token, epoch, data)
    request_key = request_key ~= '' and request_key or nil
    local record = Records.load(device)
    if record and record.claimed then
        local replaced = request_key and requested_with(record, request_key)
        if requester == 'operator' then
            -- The other tokens may never have reached the device; the first has.
            keep_only(device, record, record.tokens[1])
            add(device, record, token)
        elseif replaced then
            replace(device, record, replaced, token, request_key)
        elseif requester == 'claim' and place_of(record.tokens, shown) then
            renew(device, record, shown, token, request_key)
        else
            return 'device-claimed'
        end
        granted(device, record, requester, data)
        return 'ok'
    end
    if requester == 'test' then
        record = record or State.new_record(device, epoch, false)
        if not record then
            return 'devices-full'
        end
        if #record.tokens >= LIMITS.test_tokens then
            local oldest = record.tokens[1]
            drop(device, record, oldest)
            end_dependants(device, record, oldest, END_REASON.revoked)
        end
    else
        if record and not State.ends_record(device, record) then
            return 'more'
        end
        record = State.new_record(device, epoch, true)
        if not record then
            return 'devices-full'
        end
    end
    add(device, record, token, request_key)
    granted(device, record, requester, data)
    return 'ok'
end)

Call.operation('check_token', READ, function(token)
    local device, expires = Tokens.find(token)
    if not device then
        return 'unknown'
    end
    return expires <= now and 'expired' or 'ok'
end)

Call.operation('revoke_token', MAKE_ROOM, function(token)
    local device = Tokens.find(token)
    local record = device and Records.load(device)
    if record and not record.claimed and #record.tokens > 1 then
        drop(device, record, token)
        end_dependants(device, record, token, END_REASON.revoked)
    elseif record and not State.ends_record(device, record) then
        return 'more'
    end
    return 'ok'
end)

-- Revokes a token that no client has. Where it is a claim's only one, no client could renew it, so
-- the record ends; where it is one of several, the others are good and it may stay.
Call.operation('revoke_unconfirmed', MAKE_ROOM, function(token)
    local device = Tokens.find(token)
    local record = device and Records.load(device)
    if record and #record.tokens == 1 and not State.ends_record(device, record) then
        return 'more'
    end
    return 'ok'
end)
