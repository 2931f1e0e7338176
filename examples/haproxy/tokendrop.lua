-- /etc/haproxy/tokendrop.lua
-- "http-request lua.tokendrop URL" asks the gate at the URL. Its yes sets the variable txn.tokendrop to "yes", and
-- the identity headers; its no is what the client gets; without an answer the client gets 503.

local timeout = 500 -- ms, for each of the four times that HAProxy tries

-- What the gate reads of the client's own headers: the token, and whether the method is meant as it stands there.
local passed = { "authorization", "x-api-key", "x-http-method-override", "x-http-method", "x-method-override" }

local identity = {
    "x-token-key", "x-token-user", "x-token-name", "x-token-type",
    "x-token-scopes", "x-token-audience", "x-token-expires", "x-token-labels",
}

-- list makes a list that counts from 1 of HAProxy's lists of values, which count from 0.
local function list(values)
    local l = {}
    for i = 0, #values do
        l[#l + 1] = values[i]
    end
    return l
end

local function question(txn, gate)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-original-method"] = { txn.f:method() },
        ["x-original-uri"] = { txn.f:pathq() },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    for _, name in ipairs(passed) do
        if sent[name] then
            headers[name] = list(sent[name])
        end
    end
    return { url = gate, headers = headers, timeout = timeout }
end

local function refuse(txn, answer)
    local reply = txn:reply()
    reply:set_status(503)
    if answer.status == 401 or answer.status == 403 then
        reply:set_status(answer.status)
        for _, name in ipairs({ "content-type", "www-authenticate", "x-token-reason" }) do
            for _, value in ipairs(list(answer.headers[name] or {})) do
                reply:add_header(name, value)
            end
        end
        reply:set_body(answer.body)
    end
    reply:add_header("cache-control", "no-store")
    txn:done(reply)
end

core.register_action("tokendrop", { "http-req" }, function(txn, gate)
    local answer = core.httpclient():get(question(txn, gate))
    if answer.status ~= 200 then
        refuse(txn, answer)
        return
    end
    for _, name in ipairs(identity) do
        txn.http:req_del_header(name)
        local value = list(answer.headers[name] or {})[1]
        if value and value ~= "" then
            txn.http:req_set_header(name, value)
        end
    end
    txn.http:req_del_header("x-token-reason")
    txn:set_var("txn.tokendrop", "yes")
end, 1)
