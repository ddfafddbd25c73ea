<?php
// Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
// php-soap asks an instance: php client.php address ca-file name password [client.pem].
// Prints the names of the templates, or the fault's code and subcode.

[, $address, $ca, $name, $password] = $argv;
$security = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';

$tls = ['cafile' => $ca, 'verify_peer' => true, 'verify_peer_name' => true];
if (isset($argv[5])) {
    $tls['local_cert'] = $argv[5];
}
$client = new SoapClient($address . '?wsdl', [
    'soap_version' => SOAP_1_2,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    'stream_context' => stream_context_create(['ssl' => $tls]),
]);
$headers = [];
$addressing = 'http://www.w3.org/2005/08/addressing';
$action = 'http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies';
$headers[] = new SoapHeader($addressing, 'Action', $action, true);
$headers[] = new SoapHeader($addressing, 'MessageID', 'urn:uuid:11111111-2222-3333-4444-555555555555');
$headers[] = new SoapHeader($addressing, 'To', $address, true);
if ($name !== '') {
    $token = sprintf('<o:Security xmlns:o="%s" xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        . ' s:mustUnderstand="1"><o:UsernameToken><o:Username>%s</o:Username>'
        . '<o:Password>%s</o:Password></o:UsernameToken></o:Security>',
        $security, htmlspecialchars($name, ENT_XML1), htmlspecialchars($password, ENT_XML1));
    $headers[] = new SoapHeader($security, 'Security', new SoapVar($token, XSD_ANYXML));
}
try {
    $answer = $client->__soapCall('GetPolicies', [[
        'client' => ['lastUpdate' => null, 'preferredLanguage' => 'en-US'],
        'requestFilter' => ['policyOIDs' => null, 'clientVersion' => 0, 'serverVersion' => 0],
    ]], null, $headers);
    foreach ($answer->response->policies->policy ?? [] as $policy) {
        echo $policy->attributes->commonName, "\n";
    }
} catch (SoapFault $fault) {
    echo $fault->faultcode, ' ', $fault->_name ?? '', "\n";
    exit(1);
}
