-- Who gets a token, by the rules of channel and claim, and how each ends.

local function last_of_claim(record)
    return record.tokens[#record.tokens], #record.tokens > 1 and record.tokens[1] or nil
end

-- Makes `token` the newest and keeps the one that the device is known to have beside it.
local function renew(device, record, token, kept, dropped)
    if dropped then
        drop_token(device, record, dropped)
    end
    record.tokens = { kept }
    add_token(device, record, token)
    return { 'ok' }
end

action('request_token', CHANGES, function(device, requester, shown, token, epoch)
    local record = load(device)
    if record and record.claimed then
        local newest, before = last_of_claim(record)
        if requester == 'operator' then
            -- Whether the newest has reached the device is not known while another is kept beside
            -- it; the one that the device has used stays good.
            return renew(device, record, token, before or newest, before and newest)
        elseif requester == 'claim' and shown == newest then
            return renew(device, record, token, newest, before)
        elseif requester == 'claim' and before and shown == before then
            -- The reply with the newest was lost: the one before it is still what the device has.
            return renew(device, record, token, before, newest)
        end
        return { 'device-claimed' }
    end
    if requester == 'test' then
        record = record or new_record(device, epoch, false)
        if not record then
            return { 'devices-full' }
        end
        if #record.tokens >= LIMITS.test_tokens then
            local oldest = record.tokens[1]
            drop_token(device, record, oldest)
            end_bound_to(device, record, oldest, REVOKED)
        end
    else
        if record then
            end_record(device, record)
        end
        record = new_record(device, epoch, true)
        if not record then
            return { 'devices-full' }
        end
    end
    add_token(device, record, token)
    return { 'ok' }
end)

action('check_token', LOOKS, function(token)
    local device, expires = token_of(token)
    if not device then
        return { 'unknown' }
    end
    return { expires <= now and 'expired' or 'ok' }
end)

action('revoke_token', MAKES_ROOM, function(token)
    local device = token_of(token)
    local record = device and load(device)
    if record and not record.claimed and #record.tokens > 1 then
        drop_token(device, record, token)
        end_bound_to(device, record, token, REVOKED)
    elseif record then
        end_record(device, record)
    end
    return { 'ok' }
end)

-- Nobody was given the token. Where it is all that a claim has, nobody could get the next one; where
-- it is one of several, the others are as good as before.
action('revoke_unconfirmed', MAKES_ROOM, function(token)
    local device = token_of(token)
    local record = device and load(device)
    if record and #record.tokens == 1 then
        end_record(device, record)
    end
    return { 'ok' }
end)
