import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pyramid_webhooks.delivery.destination import DestinationPolicy, forbidden_reason
from pyramid_webhooks.interfaces import DestinationRefused, IDestinationPolicy


@pytest.fixture
def policy():
    return DestinationPolicy()


def refusal(policy, url):
    with pytest.raises(DestinationRefused) as caught:
        policy.check_url(url)
    return str(caught.value)


def address_refusal(policy, address, port=443, host='example.com'):
    with pytest.raises(DestinationRefused) as caught:
        policy.check_address(address, port, host)
    return str(caught.value)


def test_it_keeps_the_contract(policy):
    assert verifyObject(IDestinationPolicy, policy)


@pytest.mark.parametrize(
    'url',
    [
        'https://example.com',
        'https://example.com/hooks/a?b=c#d',
        'HTTPS://EXAMPLE.com:443/',
        'https://example.com./',
        'https://bücher.example/ü',
        'https://xn--bcher-kva.example/',
        'https://a_b.example.com/',
        'https://8.8.8.8/',
        'https://[2606:4700:4700::1111]/',
        'https://intranet/',
    ],
)
def test_public_https_urls_are_allowed(policy, url):
    policy.check_url(url)


@pytest.mark.parametrize(
    ('url', 'reason'),
    [
        ('http://example.com/', 'only "https" is allowed, unless the setting webhooks.allow_http'),
        ('ftp://example.com/', 'the scheme "ftp"'),
        ('javascript:alert(1)', 'the scheme "javascript"'),
        ('//example.com/', 'does not begin with "https://"'),
        ('example.com/hook', 'does not begin with "https://"'),
        ('', 'does not begin with "https://"'),
        ('https:example.com', 'has no host'),
        ('https:///hook', 'has no host'),
        ('https://:443/', 'has no host'),
        ('https://user:pass@example.com/', 'user name or password'),
        ('https://@example.com/', 'user name or password'),
        ('https://exa mple.com/', "the character ' '"),
        ('https://example.com/a b', "the character ' '"),
        ('https://example.com/a\tb', r"the character '\t'"),
        ('https://example.com/\r\nX: y', r"the character '\r'"),
        (' https://example.com/', "the character ' '"),
        ('https://example.com/\x7f', r"the character '\x7f'"),
        ('https://example.com/\u200b', r"the character '\u200b'"),
        ('https://example.com/\xa0', r"the character '\xa0'"),
        ('https://example.com\\@evil.example/', 'user name or password'),
        ('https://example.com\\evil.example/', 'the character'),
        ('https://example.com:0/', 'the port "0"'),
        ('https://example.com:65536/', 'the port "65536"'),
        ('https://example.com:+443/', 'the port "+443"'),
        ('https://example.com:٤٤٣/', 'the port'),
        ('https://example.com:8443/', 'The port 8443'),
        ('https://example.com:80/', 'The port 80'),
        ('https://exam..ple.com/', 'is not a valid name'),
        ('https://example.com../', 'is not a valid name'),
        ('https://-a.example/', 'is not a valid name'),
        ('https://' + 'a' * 64 + '.example/', 'is not a valid name'),
        ('https://' + 'a.' * 130 + 'example/', 'is not a valid name'),
        ('https://ex%61mple.com/', 'is not a valid name'),
        ('https://exam!ple.com/', 'is not a valid name'),
        ('https://\u2000.example/', 'the character'),
        ('https://a\u2024\u2024b.example/', 'is not a valid'),
        ('https://::1/', 'has no host'),
        ('https://[::1/', 'malformed'),
        ('https://[::1]x/', 'no valid host'),
        ('https://[fe80::1%25eth0]/', 'is not a plain IPv6 address'),
        ('https://[2606:4700::1%eth0]/', 'is not a plain IPv6 address'),
        ('https://[v1.a]/', '[v1.a]'),
        ('https://[8.8.8.8]/', '[8.8.8.8]'),
        ('https://256.1.1.1/', 'is not an IPv4 address'),
        ('https://1.2.3.4.5/', 'is not an IPv4 address'),
        ('https://1.2.3.08/', 'is not an IPv4 address'),
        ('https://example.1/', 'is not an IPv4 address'),
        ('https://4294967296/', 'is not an IPv4 address'),
        ('https://example.com/' + 'a' * 2048, 'has 2068 characters'),
        (None, 'is a text such as'),
        (b'https://example.com/', 'is a text such as'),
        (['https://example.com/'], 'is a text such as'),
    ],
)
def test_a_url_of_bad_form_is_refused_with_the_reason(policy, url, reason):
    assert reason in refusal(policy, url)


@pytest.mark.parametrize(
    'url',
    [
        'https://user:hunter2@example.com/',
        'https://hunter2@exa mple.com/',
        'https://a:hunter2@[::1/',
        'https:hunter2@example.com',
        'hunter2@example.com',
    ],
)
def test_credentials_are_not_repeated_in_the_refusal(policy, url):
    assert 'hunter2' not in refusal(policy, url)


@pytest.mark.parametrize(
    'host',
    [
        '127.0.0.1',
        '127.0.0.1.',
        '127.1',
        '127.0.1',
        '0177.0.0.1',
        '0x7f.0.0.1',
        '0X7F.1',
        '0x7f000001',
        '2130706433',
        '017700000001',
        '１２７.0.0.1',
        '127。0。0。1',
        '①②⑦.0.0.1',
        '[::1]',
        '[0:0:0:0:0:0:0:1]',
    ],
)
def test_every_spelling_of_a_loopback_address_is_recognized(policy, host):
    assert 'is a loopback address' in refusal(policy, f'https://{host}/')


@pytest.mark.parametrize(
    ('address', 'reason'),
    [
        ('0.0.0.0', 'the unspecified address'),
        ('0.1.2.3', 'this network'),
        ('10.1.2.3', 'private'),
        ('100.64.0.1', 'shared address of a carrier'),
        ('127.255.255.254', 'loopback'),
        ('169.254.1.1', 'link-local'),
        ('169.254.169.254', 'metadata'),
        ('168.63.129.16', 'metadata'),
        ('100.100.100.200', 'metadata'),
        ('172.16.0.1', 'private'),
        ('172.31.255.255', 'private'),
        ('192.0.0.8', 'reserved'),
        ('192.0.2.1', 'documentation'),
        ('192.88.99.1', '6to4'),
        ('192.168.1.1', 'private'),
        ('198.18.0.1', 'benchmarks'),
        ('198.51.100.1', 'documentation'),
        ('203.0.113.1', 'documentation'),
        ('224.0.0.1', 'multicast'),
        ('240.0.0.1', 'reserved'),
        ('255.255.255.255', 'broadcast'),
        ('::', 'the unspecified address'),
        ('::1', 'loopback'),
        ('::8.8.8.8', 'IPv4-compatible'),
        ('::ffff:8.8.8.8', 'IPv4-mapped'),
        ('::ffff:0:8.8.8.8', 'IPv4-translated'),
        ('64:ff9b::8.8.8.8', 'NAT64'),
        ('64:ff9b:1::1', 'NAT64'),
        ('100::1', 'reserved'),
        ('2001::1', 'Teredo'),
        ('2001:10::1', 'reserved'),
        ('2001:db8::1', 'documentation'),
        ('2002:808:808::1', '6to4'),
        ('3fff::1', 'documentation'),
        ('4000::1', 'reserved'),
        ('5f00::1', 'reserved'),
        ('fc00::1', 'private'),
        ('fd00:ec2::254', 'metadata'),
        ('fd12:3456::1', 'private'),
        ('fe80::1', 'link-local'),
        ('fe80::1%eth0', 'link-local'),
        ('fec0::1', 'site-local'),
        ('ff02::1', 'multicast'),
    ],
)
def test_addresses_that_are_not_public_are_refused_when_connecting(policy, address, reason):
    sentence = address_refusal(policy, address)
    assert reason in sentence
    address = ipaddress.ip_address(address)
    assert f'The address {address}, which the host "example.com" leads to, is ' in sentence


@pytest.mark.parametrize('address', ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111'])
def test_public_addresses_are_allowed_on_the_usual_port_only(policy, address):
    policy.check_address(address, 443, 'example.com')
    assert 'The port 8443 of "example.com" is not allowed' in address_refusal(
        policy, address, 8443
    )


def test_what_is_no_address_is_refused(policy):
    assert 'is not an IP address' in address_refusal(policy, 'localhost')


@given(st.ip_addresses())
def test_no_address_is_allowed_that_the_standard_library_does_not_call_global(address):
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert forbidden_reason(address) is not None


@given(st.ip_addresses(v=4))
def test_an_address_in_any_spelling_is_judged_as_the_address(address):
    policy = DestinationPolicy()
    octets = address.packed
    spellings = [
        str(int(address)),
        hex(int(address)),
        '0' + oct(int(address))[2:],
        '.'.join(map(hex, octets)),
        f'{octets[0]}.{int.from_bytes(octets[1:])}',
        f'{octets[0]}.{octets[1]}.0{int.from_bytes(octets[2:]):o}',
        f'{address}.',
    ]
    for spelling in spellings:
        url = f'https://{spelling}/'
        if forbidden_reason(address) is None:
            policy.check_url(url)
        else:
            assert str(address) in refusal(policy, url)


@given(st.text(max_size=40), st.sampled_from(['https://{}', 'https://{}/', 'https://a/{}', '{}']))
def test_any_text_is_allowed_or_refused_but_never_an_error(text, form):
    try:
        DestinationPolicy().check_url(form.format(text))
    except DestinationRefused as error:
        assert str(error).isprintable()


def test_allow_http_allows_http_and_port_80():
    policy = DestinationPolicy(allow_http=True)
    policy.check_url('http://example.com/')
    policy.check_url('https://example.com/')
    policy.check_address('8.8.8.8', 80, 'example.com')
    assert 'The port 8080' in refusal(policy, 'http://example.com:8080/')
    assert 'loopback' in refusal(policy, 'http://127.0.0.1/')


def test_allowed_ports_replace_the_usual_ones():
    policy = DestinationPolicy(allowed_ports=[8443])
    policy.check_url('https://example.com:8443/')
    assert refusal(policy, 'https://example.com/') == (
        'The port 443 of "example.com" is not allowed; allowed are: 8443 '
        '(the setting webhooks.allowed_ports).'
    )


def test_an_allowed_network_is_allowed_on_any_port():
    policy = DestinationPolicy(
        allowed_networks=['127.0.0.0/8', ipaddress.ip_network('fd00:1::/64')]
    )
    policy.check_url('https://127.0.0.1:8080/')
    policy.check_url('https://[fd00:1::7]:1/')
    policy.check_address('127.0.0.1', 5000, 'localhost')
    assert 'private' in refusal(policy, 'https://10.0.0.1/')
    assert 'IPv4-mapped' in refusal(policy, 'https://[::ffff:127.0.0.1]/')
    assert 'The port 8080' in refusal(policy, 'https://8.8.8.8:8080/')


def test_with_allowed_networks_a_name_s_port_is_judged_when_connecting():
    policy = DestinationPolicy(allowed_networks=['10.0.0.0/8'])
    policy.check_url('https://hooks.internal:8080/')
    policy.check_address('10.1.2.3', 8080, 'hooks.internal')
    assert 'The port 8080' in address_refusal(policy, '8.8.8.8', 8080, 'hooks.internal')


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'allowed_networks': ['10.0.0.0/99']}, "The allowed network '10.0.0.0/99' is none"),
        ({'allowed_networks': ['10.0.0.1/8']}, 'has host bits set'),
        ({'allowed_ports': [0]}, 'The allowed port 0 is not'),
        ({'allowed_ports': ['443']}, "The allowed port '443' is not"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        DestinationPolicy(**options)
